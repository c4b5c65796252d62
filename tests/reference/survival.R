# R's answers on the data sets of data/, which tests/reference compares the library with.
#     Rscript tests/reference/survival.R > tests/reference/survival_r.json
# Fits are converged (at its defaults coxph stops some 1e-7 from the maximum). Run from the repository's root.
library(survival)
library(splines)
library(jsonlite)

tight <- coxph.control(eps = 1e-12, toler.chol = 1e-13, iter.max = 50)
read <- function(name) read.csv(file.path("data", paste0(name, ".csv")), stringsAsFactors = TRUE)

# Calls a fitting function with arguments such as `weights = weight` left as written, so that they are found in the data.
fitted <- function(f, formula, data, written) eval(as.call(c(list(f, formula, data = data), written)))

km <- function(formula, data, times, tau, ...) {
  fit <- fitted(survfit, formula, data, as.list(substitute(list(...)))[-1])
  at <- summary(fit, times = times, extend = TRUE)
  middle <- quantile(fit, probs = 0.5)
  quarter <- quantile(fit, probs = 0.25)
  mean <- summary(fit, rmean = tau)$table
  mean <- if (is.null(dim(mean))) t(mean) else mean
  list(
    time = at$time, survival = at$surv, std_err = at$std.err, lower = at$lower, upper = at$upper, n_risk = at$n.risk,
    median = c(middle$quantile), median_lower = c(middle$lower), median_upper = c(middle$upper),
    quarter = c(quarter$quantile), tau = tau, rmst = unname(mean[, "rmean"]), rmst_se = unname(mean[, "se(rmean)"])
  )
}

cox <- function(formula, data, transforms = c("km", "rank", "identity", "log"), ...) {
  fit <- fitted(coxph, formula, data, c(list(control = tight), as.list(substitute(list(...)))[-1]))
  answer <- list(
    terms = names(coef(fit)), coef = unname(coef(fit)), std_err = unname(sqrt(diag(vcov(fit)))),
    log_likelihood = fit$loglik, score = fit$score, concordance = unname(fit$concordance["concordance"]), concordance_std_err = unname(fit$concordance["std"]),
    n = fit$n, n_events = fit$nevent
  )
  if (!is.null(fit$naive.var)) answer$naive_std_err <- sqrt(diag(fit$naive.var))
  for (g in transforms) {
    test <- cox.zph(fit, transform = g, terms = TRUE)$table
    one <- cox.zph(fit, transform = g, terms = FALSE)$table
    answer[[paste0("ph_", g)]] <- list(statistic = unname(test[, 1]), df = unname(test[, 2]), p_value = unname(test[, 3]),
                                       by_coefficient = unname(one[, 1]))
  }
  answer
}

# What a model gives for each row and each event.
residual <- function(fit) list(
  martingale = unname(residuals(fit, "martingale")), deviance = unname(residuals(fit, "deviance")),
  score = unname(c(as.matrix(residuals(fit, "score")))), schoenfeld = unname(c(as.matrix(residuals(fit, "schoenfeld")))),
  scaled_schoenfeld = unname(c(as.matrix(residuals(fit, "scaledsch"))))
)

# Predicted survival of new patients, with limits.
predicted <- function(fit, patients, times) {
  at <- summary(survfit(fit, patients), times = times, extend = TRUE)
  list(survival = unname(c(at$surv)), std_err = unname(c(at$std.err)), lower = unname(c(at$lower)), upper = unname(c(at$upper)))
}

# Tests of whole terms: Wald, and the likelihood ratio of leaving the term out.
terms_tested <- function(fit) {
  wald <- sapply(fit$assign, function(i) c(coef(fit)[i] %*% solve(vcov(fit)[i, i], coef(fit)[i])))
  dropped <- drop1(fit, test = "Chisq")
  list(terms = names(fit$assign), wald = unname(wald), likelihood_ratio = dropped$LRT[-1], p_value = dropped[["Pr(>Chi)"]][-1])
}

# A coefficient over time: the curve and limits that plot(cox.zph) draws.
over_time <- function(fit, i) {
  test <- cox.zph(fit, transform = "km", terms = FALSE)
  at <- seq(min(test$x), max(test$x), length = 40)
  basis <- ns(c(at, test$x), df = 4, intercept = TRUE)
  drawn <- basis[1:40, ]; rest <- qr(basis[-(1:40), ])
  back <- backsolve(rest$qr[1:4, 1:4], diag(4))
  width <- qnorm(0.975) * sqrt(test$var[i, i] * rowSums((drawn %*% (back %*% t(back))) * drawn))
  curve <- c(drawn %*% qr.coef(rest, test$y[, i]))
  list(coef = curve, lower = curve - width, upper = curve + width)
}

# Trend over ordered groups: scores 1, 2, ... on the log-rank test's observed, expected and variance.
trend <- function(fit) {
  w <- seq_along(fit$obs)
  sum(w * (fit$obs - fit$exp))^2 / c(w %*% fit$var %*% w)
}

base <- function(formula, data, ties = "efron") {
  hazard <- basehaz(fitted(coxph, formula, data, list(control = tight, ties = ties)), centered = FALSE)
  list(time = hazard$time, cumulative_hazard = hazard$hazard)
}

test <- function(...) { fit <- survdiff(...); list(statistic = fit$chisq, observed = c(apply(as.matrix(fit$obs), 1, sum)),
                                                  expected = c(apply(as.matrix(fit$exp), 1, sum))) }

colon <- read("colon"); gbsg <- read("gbsg"); lung <- read("lung"); mgus2 <- read("mgus2")
pbc <- read("pbc"); rotterdam <- read("rotterdam"); veteran <- read("veteran")
colon$rx <- relevel(colon$rx, "Obs")
lung$died <- lung$status == 2
lung$weight <- 0.5 + ((7 * seq_len(nrow(lung))) %% 13) / 10
lung$count <- 1 + seq_len(nrow(lung)) %% 3
mgus2$age_end <- mgus2$age + pmax(mgus2$futime, 0.5) / 12
pbc$died <- pbc$status == 2
relapse <- colon[colon$etype == 1, ]; death <- colon[colon$etype == 2, ]
rotterdam$size <- factor(rotterdam$size, c("<=20", "20-50", ">50"))
rotterdam$first <- pmin(rotterdam$rtime, rotterdam$dtime)
rotterdam$any <- pmax(rotterdam$recur, rotterdam$death)
late <- pmin(lung$time - 1, 100)   # a made-up delayed entry
lung$late <- ifelse(seq_len(nrow(lung)) %% 2 == 0, late, 0)
# two rows that enter with the follow-up of others behind them, and a tie of event and censoring
ties <- data.frame(t = c(1, 2, 2, 2, 3, 3, 4, 5, 5, 6), e = c(1, 1, 1, 0, 0, 1, 1, 0, 1, 1), x = c(5, 4, 1, 3, 2, 2, 4, 1, 1, 3),
                   w = c(1, 2, 1, 3, 1, 1, 2, 1, 1, 1))

# Progression as a covariate that changes with time: one row before it, one after.
progressed <- mgus2$pstat == 1 & mgus2$ptime < mgus2$futime
before <- with(mgus2, data.frame(id, start = 0, stop = ifelse(progressed, ptime, pmax(futime, 0.5)), pcm = 0,
                                 death = ifelse(progressed, 0, death), hgb, age))
after <- with(mgus2[progressed, ], data.frame(id, start = ptime, stop = futime, pcm = 1, death, hgb, age))
changing <- rbind(before, after)
fit3 <- function(...) fitted(coxph, Surv(time, died) ~ age + sex + ph.ecog, lung, c(list(control = tight), list(...)))
lung3 <- fit3()
late3 <- fitted(coxph, Surv(late, time, died) ~ age + sex + ph.ecog, lung, list(control = tight))
strata3 <- fitted(coxph, Surv(time, died) ~ age + ph.ecog + strata(sex), lung, list(control = tight))
ties1 <- fitted(coxph, Surv(t, e) ~ x, ties, list(control = tight))
gbsg_terms <- fitted(coxph, Surv(rfstime, status) ~ factor(grade) + nodes + hormon, gbsg, list(control = tight))
spline <- fitted(coxph, Surv(time, died) ~ bs(age, df = 4) + sex * ph.ecog, lung, list(control = tight))
aliased <- fitted(coxph, Surv(time, died) ~ age + I(2 * age + 1) + sex, lung, list(control = tight))
patients <- data.frame(age = c(50, 72), sex = c(2, 1), ph.ecog = c(0, 2))
when <- c(4, 5, 100, 365, 700, 1022)

answers <- list(
  versions = list(R = R.version.string, survival = as.character(packageVersion("survival"))),
  km = list(
    lung_log = km(Surv(time, died) ~ sex, lung, c(100, 200, 365, 730), 730),
    lung_loglog = km(Surv(time, died) ~ sex, lung, c(100, 200, 365, 730), 730, conf.type = "log-log"),
    lung_plain = km(Surv(time, died) ~ sex, lung, c(100, 200, 365, 730), 730, conf.type = "plain"),
    lung_weight = km(Surv(time, died) ~ sex, lung, c(100, 200, 365, 730), 730, weights = weight),
    lung_count = km(Surv(time, died) ~ sex, lung, c(100, 200, 365, 730), 730, weights = count),
    lung_late = km(Surv(late, time, died) ~ sex, lung, c(150, 200, 365, 730), 730),
    mgus2_age = km(Surv(age, age_end, death) ~ sex, mgus2, c(60, 70, 80, 90), 90),
    gbsg = km(Surv(rfstime, status) ~ hormon, gbsg, c(365, 1095, 1825), 1825),
    colon_relapse = km(Surv(time, status) ~ rx, relapse, c(365, 1095, 1825), 1825),
    colon_death = km(Surv(time, status) ~ rx, death, c(365, 1095, 1825), 1825),
    rotterdam = km(Surv(first, any) ~ 1, rotterdam, c(365, 1095, 1825), 1825),
    veteran = km(Surv(time, status) ~ celltype, veteran, c(30, 90, 180), 180),
    ties = km(Surv(t, e) ~ 1, ties, c(1, 2, 3, 5, 6), 6)
  ),
  logrank = list(
    lung = test(Surv(time, died) ~ sex, lung), lung_rho = test(Surv(time, died) ~ sex, lung, rho = 1),
    lung_strata = test(Surv(time, died) ~ sex + strata(ph.ecog), lung),
    veteran = test(Surv(time, status) ~ celltype, veteran), gbsg = test(Surv(rfstime, status) ~ hormon, gbsg),
    colon_relapse = test(Surv(time, status) ~ rx, relapse), colon_death = test(Surv(time, status) ~ rx, death)
  ),
  cox = list(
    lung = cox(Surv(time, died) ~ age + sex + ph.ecog, lung),
    lung_breslow = cox(Surv(time, died) ~ age + sex + ph.ecog, lung, ties = "breslow"),
    lung_robust = cox(Surv(time, died) ~ age + sex + ph.ecog, lung, robust = TRUE),
    lung_cluster = cox(Surv(time, died) ~ age + sex + ph.ecog, lung[!is.na(lung$inst), ], cluster = inst),
    lung_weight = cox(Surv(time, died) ~ age + sex + ph.ecog, lung, weights = weight, robust = FALSE),
    lung_weight_robust = cox(Surv(time, died) ~ age + sex + ph.ecog, lung, weights = weight, robust = TRUE),
    lung_strata = cox(Surv(time, died) ~ age + ph.ecog + strata(sex), lung),
    lung_late = cox(Surv(late, time, died) ~ age + sex + ph.ecog, lung),
    lung_late_strata_robust = cox(Surv(late, time, died) ~ age + ph.ecog + strata(sex), lung, weights = weight,
                                  cluster = seq_len(nrow(lung)), ties = "breslow"),
    mgus2_age = cox(Surv(age, age_end, death) ~ sex + hgb + creat, mgus2),
    veteran = cox(Surv(time, status) ~ trt + celltype + karno + diagtime + age + prior, veteran),
    gbsg = cox(Surv(rfstime, status) ~ age + meno + size + grade + nodes + pgr + er + hormon, gbsg),
    gbsg_hormon = cox(Surv(rfstime, status) ~ hormon, gbsg),
    colon_relapse = cox(Surv(time, status) ~ rx, relapse),
    colon_death = cox(Surv(time, status) ~ rx, death),
    colon_both = cox(Surv(time, status) ~ rx + strata(etype), colon, cluster = id),
    rotterdam = cox(Surv(first, any) ~ age + size + grade + log(nodes + 1) + pgr + er + hormon + chemo, rotterdam),
    pbc = cox(Surv(time, died) ~ age + log(bili) + albumin + edema, pbc),
    mgus2_changing = cox(Surv(start, stop, death) ~ pcm + hgb + age, changing, cluster = id),
    ties = cox(Surv(t, e) ~ x, ties, transforms = "identity"),
    ties_weight = cox(Surv(t, e) ~ x, ties, transforms = "identity", weights = w, robust = FALSE)
  ),
  residuals = list(
    lung = residual(lung3), lung_breslow = residual(fit3(ties = "breslow")), lung_late = residual(late3),
    lung_strata = residual(strata3), ties = residual(ties1)
  ),
  predicted = list(
    lung = predicted(lung3, patients, when), lung_breslow = predicted(fit3(ties = "breslow"), patients, when),
    lung_robust = predicted(fit3(robust = TRUE), patients, when), lung_late = predicted(late3, patients, when),
    lung_strata = predicted(strata3, patients, when)
  ),
  over_time = list(age = over_time(lung3, 1), ph.ecog = over_time(lung3, 3)),
  terms = terms_tested(gbsg_terms),
  spline = list(coef = unname(coef(spline)), std_err = unname(sqrt(diag(vcov(spline)))), log_likelihood = spline$loglik),
  aliased = list(coef = unname(coef(aliased)), log_likelihood = aliased$loglik),
  trend = list(
    lung = trend(survdiff(Surv(time, died) ~ ph.ecog, lung[lung$ph.ecog < 3, ])),
    gbsg = trend(survdiff(Surv(rfstime, status) ~ grade, gbsg))
  ),
  baseline = list(
    lung = base(Surv(time, died) ~ age + sex + ph.ecog, lung),
    lung_breslow = base(Surv(time, died) ~ age + sex + ph.ecog, lung, ties = "breslow"),
    gbsg = base(Surv(rfstime, status) ~ age + nodes, gbsg)
  )
)
cat(toJSON(answers, digits = NA, auto_unbox = TRUE, na = "null", pretty = FALSE), "\n")
