# Export the data sets of R's `survival` that the catalogue names, as CSV files:
#
#     Rscript data/export.R [FOLDER]        FOLDER defaults to data/
#
# UTF-8, comma, LF line ends, first line the column names as R has them, missing values empty, factors as their
# labels, logicals as true and false, numbers with the fewest digits that give the same number again. The same
# bytes on every run: data_catalog.yaml holds their checksums.

data_sets <- c("colon", "gbsg", "rotterdam", "veteran", "lung", "mgus2", "pbc", "heart")

# 15 digits are enough for a measured value; a computed one (pbc's age, days / 365.25) may need 17.
number_as_text <- function(x) {
  text <- sprintf("%.15g", x)
  for (digits in 16:17) {
    lossy <- which(is.finite(x) & suppressWarnings(as.numeric(text)) != x)
    text[lossy] <- sprintf(paste0("%.", digits, "g"), x[lossy])
  }
  text
}

quoted_where_needed <- function(text) {
  special <- grepl("[\",\r\n]", text)
  text[special] <- paste0('"', gsub('"', '""', text[special], fixed = TRUE), '"')
  text
}

column_as_text <- function(x) {
  text <- if (is.factor(x) || is.character(x)) quoted_where_needed(enc2utf8(as.character(x)))
    else if (is.logical(x)) tolower(as.character(x))
    else if (is.numeric(x)) number_as_text(as.numeric(x))
    else stop("no rule to write a column of class ", class(x)[1])
  text[is.na(x)] <- ""
  text
}

export <- function(name, folder) {
  table <- getExportedValue("survival", name)
  header <- paste(quoted_where_needed(names(table)), collapse = ",")
  rows <- do.call(paste, c(unname(lapply(table, column_as_text)), sep = ","))
  target <- file.path(folder, paste0(name, ".csv"))
  unfinished <- paste0(target, ".unfinished")
  connection <- file(unfinished, open = "wb")  # binary: no CRLF on Windows
  writeLines(c(header, rows), connection, sep = "\n", useBytes = TRUE)
  close(connection)
  if (!file.rename(unfinished, target)) stop("cannot write ", target)
  cat(target, ": ", nrow(table), " rows, ", ncol(table), " columns\n", sep = "")
}

arguments <- commandArgs(trailingOnly = TRUE)
folder <- if (length(arguments)) arguments[1] else "data"
if (!dir.exists(folder)) stop("there is no folder ", folder, ": name one that exists, or run at the repository's root")
for (name in data_sets) export(name, folder)
