-- The table of secure reads, on which a reader may insert and nothing else. Once, by a steward, who will own it:
--     psql --dbname=DATABASE --file=table.sql
-- and then, for each person who reads, and for who checks:
--     GRANT paillasse_reader TO alice;
--     GRANT paillasse_auditor TO dominique;
-- PostgreSQL 11 or newer. For another schema than `audit`, replace that word throughout, and under `table:` in the
-- steward's file.

BEGIN;

DO $$
BEGIN  -- roles belong to the whole server: another of its databases may have made them
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'paillasse_reader') THEN
        CREATE ROLE paillasse_reader NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'paillasse_auditor') THEN
        CREATE ROLE paillasse_auditor NOLOGIN;
    END IF;
END $$;

CREATE SCHEMA audit;

CREATE TABLE audit.reads (
    -- Set by the server, whoever inserts: no role is granted these columns, and the trigger overwrites them.
    number bigint PRIMARY KEY,            -- 1, 2, 3, … without a gap
    recorded_at timestamptz NOT NULL,
    db_role text NOT NULL,                -- who logged in; SET ROLE does not change it
    previous text NOT NULL,               -- the hash of the record before
    hash text NOT NULL,
    -- Said by the reader's process.
    id uuid NOT NULL UNIQUE,
    started_at timestamptz NOT NULL,
    who text NOT NULL,
    host text NOT NULL,
    project text NOT NULL,
    purpose text NOT NULL,
    approval text NOT NULL,
    data_set text NOT NULL,
    profile text NOT NULL,
    source_version text,
    columns text[] NOT NULL,
    filter_columns text[] NOT NULL,       -- names; what they were compared with is not recorded
    outcome text NOT NULL CHECK (outcome IN ('read', 'opened', 'failed', 'exact', 'released', 'decided')),
    rows bigint
);

-- Where the chain stands. Its one row is also the lock by which records are written one after the other.
CREATE TABLE audit.head (number bigint NOT NULL, hash text NOT NULL);
CREATE UNIQUE INDEX only_one_row ON audit.head ((true));
INSERT INTO audit.head VALUES (0, repeat('0', 64));

-- Over all columns but the hash itself. Without those that are empty, so that a column added later changes no old hash.
CREATE FUNCTION audit.digest(record audit.reads) RETURNS text
    LANGUAGE sql STABLE
    SET timezone = 'UTC'
AS $$ SELECT encode(sha256(convert_to(jsonb_strip_nulls(to_jsonb(record) - 'hash')::text, 'UTF8')), 'hex') $$;

CREATE FUNCTION audit.chain() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER  -- the reader may not touch the head; the trigger may
    SET search_path = pg_catalog, pg_temp  -- not the reader's, who could put functions of his own there
AS $$
DECLARE
    last audit.head;
BEGIN
    SELECT * INTO STRICT last FROM audit.head FOR UPDATE;
    NEW.number := last.number + 1;
    NEW.previous := last.hash;
    NEW.recorded_at := clock_timestamp();
    NEW.db_role := session_user;
    NEW.hash := audit.digest(NEW);
    UPDATE audit.head SET number = NEW.number, hash = NEW.hash;
    RETURN NEW;
END $$;

CREATE TRIGGER chain BEFORE INSERT ON audit.reads FOR EACH ROW EXECUTE FUNCTION audit.chain();
ALTER TABLE audit.reads ENABLE ALWAYS TRIGGER chain;

REVOKE ALL ON FUNCTION audit.digest, audit.chain FROM PUBLIC;

GRANT USAGE ON SCHEMA audit TO paillasse_reader, paillasse_auditor;
GRANT INSERT (id, started_at, who, host, project, purpose, approval, data_set, profile, source_version, columns,
              filter_columns, outcome, rows) ON audit.reads TO paillasse_reader;
GRANT SELECT ON audit.reads, audit.head TO paillasse_auditor;
GRANT EXECUTE ON FUNCTION audit.digest TO paillasse_auditor;

COMMIT;
