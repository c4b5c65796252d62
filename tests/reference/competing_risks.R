# R's answers on competing risks, which tests/reference compares the library with.
#     Rscript tests/reference/competing_risks.R > tests/reference/competing_risks_r.json
# Fits are converged. Run from the repository's root.
suppressPackageStartupMessages({
  library(survival)
  library(cmprsk)
  library(jsonlite)
})

tight <- coxph.control(eps = 1e-12, toler.chol = 1e-13, iter.max = 50)
read <- function(name) read.csv(file.path("data", paste0(name, ".csv")), stringsAsFactors = TRUE)

# Aalen-Johansen at some times, a list for each group in R's order; `...` may hold weights and id, as names of columns.
incidence <- function(formula, data, times, ...) {
  written <- as.list(substitute(list(...)))[-1]
  fit <- eval(as.call(c(list(survfit, formula, data = data), written)))
  at <- summary(fit, times = times)
  told <- function(values) lapply(2:3, function(state) values[, state])
  list(time = at$time, incidence = told(at$pstate), std_err = told(at$std.err), lower = told(at$lower),
       upper = told(at$upper), n_risk = rowSums(at$n.risk[, 1, drop = FALSE]))
}

cmprsk <- function(data, by, times, strata = NULL) {
  fit <- cuminc(data$t, data$e, data[[by]], strata = if (is.null(strata)) rep(1, nrow(data)) else data[[strata]])
  list(statistic = unname(fit$Tests[, "stat"]), p_value = unname(fit$Tests[, "pv"]), df = unname(fit$Tests[, "df"]),
       incidence = unname(c(t(timepoints(fit, times)$est))))  # by cause, group, time
}

coxph_answer <- function(fit, fresh, times) {
  at <- summary(survfit(fit, newdata = fresh, se.fit = FALSE), times = times)
  list(coef = unname(coef(fit)), std_err = unname(sqrt(diag(fit$var))), naive_std_err = unname(sqrt(diag(fit$naive.var))),
       log_likelihood = fit$loglik, score = fit$score, incidence = 1 - t(as.matrix(at$surv)))  # a row for each row of `fresh`
}

fine_gray <- function(data, cause, covariates, times) {
  data$id <- seq_len(nrow(data))
  long <- finegray(Surv(t, factor(e, 0:2)) ~ ., data, etype = as.character(cause))
  right <- paste(covariates, "+ cluster(id)")
  model <- as.formula(paste("Surv(fgstart, fgstop, fgstatus) ~", right))
  fresh <- data[1:3, ]
  answer <- list()
  for (ties in c("efron", "breslow")) {
    fit <- coxph(model, long, weights = fgwt, ties = ties, control = tight)
    answer[[ties]] <- coxph_answer(fit, fresh, times)
  }
  x <- model.matrix(as.formula(paste("~", covariates)), data)[, -1, drop = FALSE]
  # crr's own loop ends too early, or where its step halving finds no gain in the likelihood's last digit: polished by
  # Newton steps on its score and information.
  fit <- crr(data$t, data$e, x, failcode = cause)
  for (polish in 1:4) {
    step <- c(fit$invinf %*% fit$score)
    fit <- crr(data$t, data$e, x, failcode = cause, init = fit$coef + step, maxiter = 0)
  }
  step <- max(abs(step) / sqrt(diag(fit$invinf)))  # in standard errors
  stopifnot(step < 1e-11)
  curves <- predict(fit, x[1:3, , drop = FALSE])
  place <- findInterval(times, curves[, 1])
  answer$crr <- list(coef = unname(fit$coef), std_err = sqrt(diag(fit$var)), naive_std_err = sqrt(diag(fit$invinf)),
                     log_likelihood = c(fit$loglik.null, fit$loglik), step = step,
                     incidence = t(rbind(0, curves[, -1, drop = FALSE])[place + 1, , drop = FALSE]))
  answer$n <- nrow(data)
  answer
}

colon <- read("colon"); mgus2 <- read("mgus2"); pbc <- read("pbc"); rotterdam <- read("rotterdam")

mgus2$e <- ifelse(mgus2$pstat == 1, 1, 2 * mgus2$death)
mgus2$t <- ifelse(mgus2$pstat == 1, mgus2$ptime, mgus2$futime)
mgus2$weight <- 0.5 + ((7 * seq_len(nrow(mgus2))) %% 13) / 10
mgus2$late <- pmax(0, pmin(mgus2$t - 1, (7 * seq_len(nrow(mgus2))) %% 40 - 5))
entered <- mgus2[mgus2$late < mgus2$t, ]
mgus2$years <- ceiling(mgus2$t / 12)
full <- mgus2[complete.cases(mgus2[, c("hgb", "creat", "mspike")]), ]
yearly <- transform(full, t = years)

pbc$t <- pbc$time
pbc$e <- pbc$status
treated <- pbc[!is.na(pbc$trt), ]
staged <- pbc[!is.na(pbc$stage) & !is.na(pbc$trt), ]

rotterdam$size <- factor(rotterdam$size, c("<=20", "20-50", ">50"))
rotterdam$t <- pmin(rotterdam$rtime, rotterdam$dtime)
rotterdam$e <- ifelse(rotterdam$recur == 1, 1, 2 * rotterdam$death)

colon$rx <- relevel(colon$rx, "Obs")
relapse <- colon[colon$etype == 1, ]; death <- colon[colon$etype == 2, ]
death <- death[match(relapse$id, death$id), ]
colon <- transform(relapse, t = ifelse(status == 1, time, death$time), e = ifelse(status == 1, 1, 2 * death$status))

# Few rows with every kind of tie; by group, and with rows that enter late.
tiny <- data.frame(t = c(1, 2, 2, 3, 3, 4, 5, 5, 6, 7, 7, 8), e = c(1, 0, 2, 1, 1, 2, 0, 1, 2, 1, 0, 2),
                   g = rep(c("a", "b"), 6), k = rep(1:3, each = 4), x = c(5, 4, 1, 3, 2, 2, 4, 1, 1, 3, 2, 4),
                   w = c(1, 2, 1, 3, 1, 1, 2, 1, 1, 1, 2, 1) + 0.5, late = c(0, 0, 1, 1, 0, 2, 0, 3, 0, 0, 5, 4))
tiny$id <- seq_len(nrow(tiny))
dense <- 1:8

answers <- list(
  versions = list(R = R.version.string, survival = as.character(packageVersion("survival")),
                  cmprsk = as.character(packageVersion("cmprsk"))),
  incidence = list(
    mgus2 = incidence(Surv(t, factor(e)) ~ sex, mgus2, c(12, 60, 120, 240)),
    mgus2_weight = incidence(Surv(t, factor(e)) ~ sex, mgus2, c(12, 60, 120, 240), weights = weight),
    mgus2_late = incidence(Surv(late, t, factor(e)) ~ sex, entered, c(12, 60, 120, 240), id = id),
    mgus2_late_weight = incidence(Surv(late, t, factor(e)) ~ sex, entered, c(12, 60, 120, 240), id = id, weights = weight),
    mgus2_years = incidence(Surv(t, factor(e)) ~ 1, yearly, c(1, 5, 10, 20)),
    pbc = incidence(Surv(t, factor(e)) ~ trt, treated, c(200, 365, 1825, 3650)),
    rotterdam = incidence(Surv(t, factor(e)) ~ size, rotterdam, c(365, 1825, 3650)),
    colon = incidence(Surv(t, factor(e)) ~ rx, colon, c(100, 365, 1825)),
    tiny = incidence(Surv(t, factor(e)) ~ 1, tiny, dense),
    tiny_group = incidence(Surv(t, factor(e)) ~ g, tiny, 1:7),
    tiny_weight = incidence(Surv(t, factor(e)) ~ 1, tiny, dense, weights = w),
    tiny_late = incidence(Surv(late, t, factor(e)) ~ 1, tiny, dense, id = id)
  ),
  cmprsk = list(
    mgus2 = cmprsk(mgus2, "sex", c(12, 60, 120, 240)),
    mgus2_years = cmprsk(yearly, "sex", c(1, 5, 10, 20)),
    pbc = cmprsk(staged, "stage", c(365, 1825, 3650)),
    pbc_strata = cmprsk(staged, "stage", c(365, 1825, 3650), "trt"),
    rotterdam = cmprsk(rotterdam, "size", c(365, 1825, 3650)),
    rotterdam_strata = cmprsk(rotterdam, "size", c(365, 1825, 3650), "chemo"),
    colon = cmprsk(colon, "rx", c(365, 1825)),
    tiny = cmprsk(tiny, "g", 1:7),
    tiny_three = cmprsk(tiny, "k", 1:3)
  ),
  fine_gray = list(
    mgus2_progression = fine_gray(full, 1, "age + sex + mspike + hgb", c(12, 60, 240)),
    mgus2_death = fine_gray(full, 2, "age + sex + mspike + hgb + creat", c(12, 60, 240)),
    mgus2_years = fine_gray(yearly, 2, "age + sex + mspike + hgb", c(1, 5, 20)),
    pbc_death = fine_gray(pbc, 2, "age + log(bili) + albumin + edema", c(365, 1825, 3650)),
    pbc_transplant = fine_gray(pbc, 1, "age + log(bili)", c(365, 1825, 3650)),
    rotterdam = fine_gray(rotterdam, 1, "age + size + grade + log(nodes + 1) + pgr + hormon + chemo", c(365, 1825, 3650)),
    colon = fine_gray(colon, 2, "rx + age", c(365, 1825)),
    tiny = fine_gray(tiny, 1, "x", 1:8)
  )
)
cat(toJSON(answers, digits = NA, auto_unbox = TRUE, na = "null", pretty = FALSE), "\n")
