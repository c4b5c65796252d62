"""The words of the catalogue for what European vocabularies say in codes: word → code.

The words are what `data_catalog.yaml` may hold (`catalog.model`); the codes are exported (`catalog.healthdcat`).
"""

# Purposes of secondary use, Regulation (EU) 2025/327 (European Health Data Space), article 53.
# Codes: Data Privacy Vocabulary 2.2, after https://w3id.org/dpv
PURPOSES = {
    "public-health": "/legal/eu/ehds#PublicInterestRelatedToHealth",
    "policy": "/legal/eu/ehds#SupportAuthoritiesRegulatoryActivities",
    "statistics": "/legal/eu/ehds#ProvideHealthcareOfficialStatistics",
    "education": "/legal/eu/ehds#ImproveHealthcareEducation",
    "scientific-research": "/legal/eu/ehds#HealthcareScientificResearch",
    "care-improvement": "#ImproveHealthcare",
}

# Categories of data that their holders make available, the same regulation, article 51.
# Codes, here and below: https://hdeu-dcat.data.health.europa.eu/resource/authority/
CATEGORIES = {
    "health-records": "EHRS",
    "health-determinants": "DIOH",
    "care-resources": "NRPE",
    "pathogens": "RPDG",
    "claims": "HRAD",
    "genomics": "HGPD",
    "other-omics": "HPML",
    "device-readings": "PGEH",
    "wellness-apps": "WELA",
    "professionals": "IDHP",
    "population-registries": "PHDR",
    "disease-registries": "MRMR",
    "clinical-trials": "EHCT",
    "medical-devices": "EMRD",
    "product-registries": "RMMD",
    "research-cohorts": "RQSH",
    "biobanks": "EINS",
}

THEMES = {
    "antimicrobial-control": "ANTIMICROBIAL_CONTROL",
    "blood-infections": "BLOOD_INFECTIONS",
    "cancer-disease": "CANCER_DISEASE",
    "climate-health": "CLIMATE_HEALTH",
    "emergency-settings": "EMERGENCY_SETTINGS",
    "enteric-infections": "ENTERIC_INFECTIONS",
    "environmental-health": "ENVIRONMENTAL_HEALTH",
    "health-products": "HEALTH_PRODUCTS",
    "health-systems": "HEALTH_SYSTEMS",
    "immunization-diseases": "IMMUNIZATION_DISEASES",
    "injury-prevention": "INJURY_PREVENTION",
    "lifecourse-health": "LIFECOURSE_HEALTH",
    "mental-health": "MENTAL_HEALTH",
    "noncommunicable-diseases": "NONCOMMUNICABLE_DISEASES",
    "nutrition-security": "NUTRITION_SECURITY",
    "reproductive-health": "REPRODUCTIVE_HEALTH",
    "respiratory-diseases": "RESPIRATORY_DISEASES",
    "sensory-health": "SENSORY_HEALTH",
    "tropical-diseases": "TROPICAL_DISEASES",
    "vector-diseases": "VECTOR_DISEASES",
}

# NAT: a country's own, as CIM-10 for the PMSI and CCAM in France.
CODING_SYSTEMS = {
    "ATC": "ATC",
    "DICOM-CT": "DICOM-CT",
    "HGNC": "HGNC",
    "HPO": "HPO",
    "ICD-10": "ICD-10",
    "ICD-10-NAT": "ICD-10-NAT",
    "ICD-11": "ICD-11",
    "ICD-9-CM": "ICD-9-CM",
    "ICD-O": "ICD-O",
    "LOINC": "LOINC",
    "MEDDRA": "MEDDRA",
    "NCIT": "NCIT",
    "OHDSI-VOCAB": "OHDSI-VOCAB",
    "ORPHACODE": "ORPHACODE",
    "PROC-CODES-NAT": "PROC-CODES-NAT",
    "RXNORM": "RXNORM",
    "SNOMED-CT": "SNOMED-CT",
    "UCUM": "UCUM",
}

ORGANISATION_TYPES = {
    "biobank": "biobank",
    "government": "gov-public-sector-org",
    "health-insurer": "health-insurance-company-org",
    "healthcare-provider": "healthcare-providers",
    "hospital": "inpatient-institute",
    "national-authority": "national-authority",
    "non-governmental": "non-gov-org",
    "pharmaceutical-company": "pharma-company",
    "public-health-institute": "public-health-institute",
    "registry": "public-health-registry",
    "research": "research-academic-org",
    "research-infrastructure": "research-infra",
    "technology-company": "health-technology-manufacturer",
}

# What data tell of a person. Codes: Data Privacy Vocabulary 2.2, https://w3id.org/dpv/pd
PERSONAL_DATA = {
    "age": "Age",
    "birth-date": "BirthDate",
    "blood-type": "BloodType",
    "country": "Country",
    "disability": "Disability",
    "education": "Education",
    "ethnicity": "Ethnicity",
    "genetics": "Genetic",
    "geography": "Geographic",
    "health-history": "HealthHistory",
    "health-record": "HealthRecord",
    "height": "Height",
    "job": "Job",
    "medical-health": "MedicalHealth",
    "picture": "Picture",
    "prescription": "Prescription",
    "sex": "Gender",
    "weight": "Weight",
}
