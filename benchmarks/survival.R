# One task of R in a process of its own: Rscript survival.R TASK FOLDER. The same rules as tasks.py.
suppressMessages(library(survival))
arguments <- commandArgs(trailingOnly = TRUE)
task <- arguments[1]; folder <- arguments[2]

columns <- jsonlite::fromJSON(file.path(folder, "columns.json"), simplifyVector = FALSE)
n <- file.size(file.path(folder, "duration")) / 8
data <- list()
for (column in columns) {
  values <- readBin(file.path(folder, column$name), column$kind, n = n)
  if (length(column$levels)) values <- structure(values + 1L, levels = unlist(column$levels), class = "factor")
  data[[column$name]] <- values
}
data <- as.data.frame(data)
rm(values)

covariates <- paste("age + bmi + albumin + ldh + haemoglobin + creatinine + platelets + neutrophils + tumour_size",
                    "+ marker + sex + smoking + stage + grade + site")
with_outcome <- function(outcome) as.formula(paste(outcome, "~", covariates))
plain <- with_outcome("Surv(duration, event)")

# Each task prepares, and returns what is measured; all use the global `data`, where cox.zph looks for it again.
tasks <- list(
  km = function() function() survfit(Surv(duration, event) ~ stage, data = data),
  logrank = function() function() survdiff(Surv(duration, event) ~ stage, data = data),
  cox = function() function() coxph(plain, data = data),
  cox_entry = function() function() coxph(with_outcome("Surv(entry, duration, event)"), data = data),
  cox_cluster = function() function() coxph(plain, data = data, cluster = hospital),
  ph_test = function() { fitted <- coxph(plain, data = data); function() cox.zph(fitted) },
  aalen_johansen = function() function() survfit(Surv(duration, factor(cause)) ~ 1, data = data),
  fine_gray = function() function() {
    numbered <- cbind(data, id = seq_len(nrow(data)))
    states <- as.formula(paste("Surv(duration, factor(cause)) ~ id +", covariates))
    expanded <- finegray(states, data = numbered, etype = "1")
    coxph(with_outcome("Surv(fgstart, fgstop, fgstatus)"), data = expanded, weights = fgwt, cluster = id)
  },
  harrell = function() function() concordance(Surv(duration, event) ~ risk, data = data, reverse = TRUE),
  uno = function() function() concordance(Surv(duration, event) ~ risk, data = data, reverse = TRUE, timewt = "n/G2"),
  bootstrap = function() function() {
    set.seed(1)
    for (i in 1:200) coxph(plain, data = data[sample(nrow(data), replace = TRUE), ])
  }
)

memory_now <- function(field) {
  status <- "/proc/self/status"
  if (!file.exists(status)) return("NaN")
  line <- grep(paste0("^", field), readLines(status), value = TRUE)
  sprintf("%.1f", as.numeric(gsub("[^0-9]", "", line)) / 1024)
}

answer <- tryCatch({
  everyone <- data
  data <- head(data, 1000)
  invisible(suppressWarnings(tasks[[task]]()()))
  data <- everyone
  run <- tasks[[task]]()
  invisible(gc())
  before <- memory_now("VmRSS")
  # The clock ticks in steps of some milliseconds, so what is short is done again.
  used <- 0; times <- 0
  while (used < 0.3) {
    start <- proc.time()
    invisible(suppressWarnings(run()))
    used <- used + sum((proc.time() - start)[1:2]); times <- times + 1
    if (times == 1) peak <- memory_now("VmHWM")
  }
  sprintf('{"state": "ok", "seconds": %.6f, "peak_mb": %s, "before_mb": %s}', used / times, peak, before)
}, error = function(e) {
  sprintf('{"state": "failed", "note": %s}', jsonlite::toJSON(conditionMessage(e), auto_unbox = TRUE))
})
cat(answer, "\n", sep = "")
