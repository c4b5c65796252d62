# R's answers on discrimination and error, which tests/reference compares the library with.
#     Rscript tests/reference/discrimination.R > tests/reference/discrimination_r.json
# Run from the repository's root.
library(survival)
library(jsonlite)

read <- function(name) read.csv(file.path("data", paste0(name, ".csv")), stringsAsFactors = TRUE)

# `...` are arguments such as `weights = weight`, left as written so that they are found in the data.
index <- function(formula, data, ...) {
  written <- as.list(substitute(list(...)))[-1]
  fit <- eval(as.call(c(list(concordance, formula, data = data, reverse = TRUE), written)))
  pairs <- if (is.matrix(fit$count)) colSums(fit$count) else fit$count
  list(value = fit$concordance, std_err = sqrt(fit$var), pairs = unname(pairs))
}
uno <- function(formula, data, ...) index(formula, data, timewt = "n/G2", ...)

# G(t-) of being uncensored: censorings half a step after the events with which they are tied.
lost <- function(time, event) {
  later <- time + ifelse(event == 1, 0, min(diff(sort(unique(time)))) / 2)
  fit <- survfit0(survfit(Surv(later, 1 - event) ~ 1, timefix = FALSE))
  function(at) fit$surv[findInterval(at, fit$time)]
}

# Concordance of two classes weighted by the product of the pair's weights is the AUC with these weights.
auc <- function(time, event, risk, times) sapply(times, function(t) {
  case <- as.numeric(time <= t & event == 1)
  kept <- case == 1 | time > t
  weight <- ifelse(case == 1, 1 / lost(time, event)(time), 1)
  concordance(case ~ risk, weights = weight, subset = kept, timefix = FALSE)$concordance
})

# The score of R's own `brier` and of its null model, with the predictions that it was given.
brier <- function(formula, data, times) {
  data <- get_all_vars(formula, data)
  fit <- eval(as.call(list(coxph, formula, data = data, ties = "breslow")))
  fit$call$data <- data
  scored <- survival:::brier(fit, times)$brier
  predicted <- summary(survfit(fit, newdata = data, se.fit = FALSE), times, extend = TRUE)$surv
  list(times = times, survival = t(predicted), null_brier = unname(scored[, 1]), brier = unname(scored[, 2]))
}

colon <- read("colon"); gbsg <- read("gbsg"); lung <- read("lung"); mgus2 <- read("mgus2")
pbc <- read("pbc"); rotterdam <- read("rotterdam"); veteran <- read("veteran")
lung$died <- as.numeric(lung$status == 2)
lung$weight <- 0.5 + ((7 * seq_len(nrow(lung))) %% 13) / 10
lung$late <- ifelse(seq_len(nrow(lung)) %% 2 == 0, pmin(lung$time - 1, 100), 0)
mgus2$age_end <- mgus2$age + pmax(mgus2$futime, 0.5) / 12
pbc$died <- as.numeric(pbc$status == 2)
veteran$risk <- -veteran$karno
relapse <- colon[colon$etype == 1, ]
ties <- data.frame(t = c(1, 2, 2, 2, 3, 3, 4, 5, 5, 6), e = c(1, 1, 1, 0, 0, 1, 1, 0, 1, 1), x = c(5, 4, 1, 3, 2, 2, 4, 1, 1, 3),
                   w = c(1, 2, 1, 3, 1, 1, 2, 1, 1, 1), s = c(1, 1, 2, 2, 1, 2, 1, 2, 1, 2))
three <- data.frame(t = c(1, 2, 3), e = c(1, 0, 1), x = c(2, 3, 1))
# A censoring at the time of the first event: scikit-survival's issue 428.
issue428 <- data.frame(t = c(11, 11, 26, 89, 128, 299, 300), e = c(1, 0, 0, 1, 0, 1, 0),
                       x = c(-0.02, 1.2, -0.56, -1.33, -0.81, 1.02, -1.29))

answers <- list(
  versions = list(R = R.version.string, survival = as.character(packageVersion("survival"))),
  concordance = list(
    lung = index(Surv(time, died) ~ age, lung),
    lung_tau = index(Surv(time, died) ~ age, lung, ymax = 310),
    lung_weight = index(Surv(time, died) ~ age, lung, weights = weight),
    lung_strata = index(Surv(time, died) ~ age + strata(sex), lung),
    lung_many_strata = index(Surv(time, died) ~ age + strata(inst), lung),
    lung_cluster = index(Surv(time, died) ~ age, lung[!is.na(lung$inst), ], cluster = inst),
    lung_late = index(Surv(late, time, died) ~ age, lung),
    lung_late_weight_strata = index(Surv(late, time, died) ~ age + strata(sex), lung, weights = weight),
    lung_uno = uno(Surv(time, died) ~ age, lung),
    lung_uno_weight = uno(Surv(time, died) ~ age, lung, weights = weight),
    lung_uno_tau = uno(Surv(time, died) ~ age, lung, ymax = 310),
    gbsg = index(Surv(rfstime, status) ~ nodes, gbsg),
    gbsg_uno = uno(Surv(rfstime, status) ~ nodes, gbsg),
    gbsg_uno_tau = uno(Surv(rfstime, status) ~ nodes, gbsg, ymax = 1825),
    colon_both = index(Surv(time, status) ~ nodes + strata(etype), colon, cluster = id),
    mgus2_age = index(Surv(age, age_end, death) ~ creat, mgus2),
    pbc_uno = uno(Surv(time, died) ~ bili, pbc, ymax = 3000),
    rotterdam = index(Surv(dtime, death) ~ nodes, rotterdam),
    rotterdam_uno = uno(Surv(dtime, death) ~ pgr, rotterdam),
    veteran = index(Surv(time, status) ~ risk, veteran),
    veteran_uno = uno(Surv(time, status) ~ risk, veteran, ymax = 180),
    ties = index(Surv(t, e) ~ x, ties),
    ties_weight = index(Surv(t, e) ~ x, ties, weights = w),
    ties_strata = index(Surv(t, e) ~ x + strata(s), ties),
    ties_uno = uno(Surv(t, e) ~ x, ties),
    ties_uno_tau = uno(Surv(t, e) ~ x, ties, ymax = 4),
    three = index(Surv(t, e) ~ x, three),
    issue428 = uno(Surv(t, e) ~ x, issue428),
    issue428_tau = uno(Surv(t, e) ~ x, issue428, ymax = 299)
  ),
  auc = list(
    lung = list(times = c(100, 183, 310, 500, 883), auc = with(lung, auc(time, died, age, c(100, 183, 310, 500, 883)))),
    gbsg = list(times = c(365, 1000, 1825), auc = with(gbsg, auc(rfstime, status, nodes, c(365, 1000, 1825)))),
    veteran = list(times = c(30, 99, 200.5), auc = with(veteran, auc(time, status, risk, c(30, 99, 200.5)))),
    ties = list(times = c(1, 2, 3, 5), auc = with(ties, auc(t, e, x, c(1, 2, 3, 5))))
  ),
  brier = list(
    lung = brier(Surv(time, died) ~ age + sex, lung, c(100.5, 200.5, 365.5)),
    gbsg = brier(Surv(rfstime, status) ~ age + nodes, gbsg, c(365.5, 1000.5, 1824.5)),
    veteran = brier(Surv(time, status) ~ karno, veteran, c(30.5, 98.5, 200.5))
  )
)
cat(toJSON(answers, digits = NA, auto_unbox = TRUE, na = "null", pretty = FALSE), "\n")
