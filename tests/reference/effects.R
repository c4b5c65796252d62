# R's answers on treatment effects, which tests/reference compares the library with.
#     Rscript tests/reference/effects.R > tests/reference/effects_r.json
# Estimates are those of glm, coxph and survfit with weights. Their standard errors come from no formula: everything, the
# model of the weights too, is fitted again with the weight of one patient moved a little (the infinitesimal jackknife
# by finite differences), patient by patient. Run from the repository's root; takes some minutes.
library(survival)
library(jsonlite)

data <- read.csv("data/rotterdam.csv")
data <- data[data$nodes > 0, ]
data <- data[seq(1, nrow(data), by = 10), ]
data$event <- pmax(data$recur, data$death)
data$years <- ifelse(data$recur == 1, data$rtime, data$dtime) / 365.25
data$cause <- ifelse(data$recur == 1, 1, ifelse(data$death == 1, 2, 0))
data$large <- as.numeric(data$size == ">50")
data$row <- seq_len(nrow(data))
data$lost <- as.numeric(data$event == 0 & data$row %% 2 == 0)
data$start <- ifelse(data$hormon == 1 | data$row %% 5 == 0, ((7 * data$row) %% 11) / 11 * 1.2, NA)
data$start[which(data$start >= data$years)] <- NA
n <- nrow(data)
covariates <- c("age", "nodes", "grade", "large")
times <- c(1, 3, 5); tau <- 5

logistic <- function(y, x, weights) {
  x <- as.matrix(x)
  fit <- glm.fit(cbind(1, x), y, weights = weights, family = quasibinomial(), control = glm.control(epsilon = 1e-15, maxit = 100))
  fit$fitted.values
}

# All estimates from rows with weights; `late` where the rows are cut into intervals.
estimates <- function(rows, w) {
  rows$w <- w
  out <- c()
  surv <- if (is.null(rows$late)) with(rows, Surv(stop, died)) else with(rows, Surv(late, stop, died))
  for (ties in c("breslow", "efron")) {
    fit <- coxph(surv ~ arm, weights = w, data = rows, ties = ties, control = coxph.control(eps = 1e-14, toler.chol = 1e-15, iter.max = 50))
    out[ties] <- coef(fit)
  }
  means <- risks <- c()
  for (arm in 0:1) {
    own <- which(rows$arm == arm)
    part <- rows[own, ]
    curve <- survfit(surv[own] ~ 1, weights = part$w, se.fit = FALSE, timefix = FALSE)
    step <- stepfun(curve$time, c(1, curve$surv))
    out[paste0("survival_", arm, "_", times)] <- step(times)
    edges <- c(0, curve$time[curve$time < tau], tau)
    means[arm + 1] <- sum(diff(edges) * step(edges[-length(edges)]))
    # Aalen and Johansen by hand: S(t-) times the hazard of cause 1.
    at <- sort(unique(part$stop[part$cause > 0 & part$stop <= tau]))
    late <- if (is.null(part$late)) rep(-1, nrow(part)) else part$late
    at_risk <- sapply(at, function(t) sum(part$w[late < t & part$stop >= t]))
    any <- sapply(at, function(t) sum(part$w[part$stop == t & part$cause > 0]))
    first <- sapply(at, function(t) sum(part$w[part$stop == t & part$cause == 1]))
    free <- c(1, cumprod(1 - any / at_risk))[seq_along(at)]
    risks[arm + 1] <- sum(free * first / at_risk)
  }
  out[c("mean_0", "mean_1", "mean")] <- c(means, means[2] - means[1])
  out[c("risk_0", "risk_1", "risk")] <- c(risks, risks[2] - risks[1])
  out
}

whole <- data.frame(arm = data$hormon, stop = data$years, died = data$event, cause = data$cause)

weights_of <- function(kind, case) {
  e <- logistic(data$hormon, data[covariates], case)
  p <- sum(case * data$hormon) / sum(case)
  a <- data$hormon == 1
  switch(kind, none = rep(1, n), overlap = ifelse(a, 1 - e, e), iptw = ifelse(a, 1 / e, 1 / (1 - e)),
         stabilised = ifelse(a, p / e, (1 - p) / (1 - e)))
}

# Who stays for those who are lost: a pooled logistic regression in each arm, with a level for each interval of 2 years.
cut_rows <- function(stop, cuts) {
  pieces <- lapply(seq_along(stop), function(i) {
    k <- max(sum(cuts < stop[i]), 1)
    data.frame(id = i, interval = seq_len(k), late = c(-1, cuts[-1])[seq_len(k)], stop = pmin(c(cuts[-1], Inf)[seq_len(k)], stop[i]), last = seq_len(k) == k)
  })
  do.call(rbind, pieces)
}
cuts <- 2 * (0:ceiling(max(data$years[data$lost == 1]) / 2))
cut <- cut_rows(data$years, cuts)
cut <- cbind(cut[, c("id", "interval", "late", "stop", "last")], arm = data$hormon[cut$id], data[cut$id, covariates])
cut$died <- ifelse(cut$last, data$event[cut$id], 0); cut$cause <- ifelse(cut$last, data$cause[cut$id], 0)
cut$gone <- ifelse(cut$last, data$lost[cut$id], 0)

pooled <- function(rows, decided, case) {
  known <- tapply(decided, rows$interval, sum) > 0
  inside <- which(known[as.character(rows$interval)])
  x <- as.matrix(rows[inside, covariates])
  for (level in as.numeric(names(which(known)))[-1]) x <- cbind(x, rows$interval[inside] == level)
  h <- rep(0, nrow(rows))
  h[inside] <- logistic(decided[inside], x, case[rows$id[inside]])
  h
}

staying <- function(case) {
  w <- rep(1, nrow(cut))
  for (arm in 0:1) {
    own <- which(cut$arm == arm)
    stay <- 1 - pooled(cut[own, ], cut$gone[own], case)
    w[own] <- unlist(tapply(stay, cut$id[own], function(s) 1 / (c(1, cumprod(s))[seq_along(s)] * (1 + s) / 2)))
  }
  w
}

# Clones: a grace period of 1 year in quarters.
grace <- c(0, 0.25, 0.5, 0.75, 1)
waiting <- cut_rows(pmin(data$start, data$years, na.rm = TRUE), grace)
waiting <- cbind(waiting, data[waiting$id, covariates])
starter <- !is.na(data$start) & data$start <= 1
waiting$began <- waiting$last & starter[waiting$id]
waiting$ends <- waiting$last & (is.na(data$start[waiting$id]) | data$start[waiting$id] >= data$years[waiting$id])

clone_rows <- function(case, starts) {
  deciding <- which(waiting$interval <= 4)
  h <- rep(0, nrow(waiting))
  h[deciding] <- pooled(waiting[deciding, ], as.numeric(waiting$began[deciding]), case)
  f <- tabulate(waiting$interval[waiting$began], 4)
  wish <- f / rev(cumsum(rev(f)))
  parts <- list()
  for (i in seq_len(n)) {
    own <- which(waiting$id == i)
    stay <- 1 / c(1, cumprod(1 - h[own]))
    for (j in seq_along(own)) {
      k <- own[j]; interval <- waiting$interval[k]
      ends <- waiting$ends[k]
      piece <- c(waiting$late[k], waiting$stop[k], if (ends) data$event[i] else 0, if (ends) data$cause[i] else 0)
      rest <- c(data$start[i], data$years[i], data$event[i], data$cause[i])
      half <- 1 - h[k] / 2
      parts[[length(parts) + 1]] <- c(i, 0, piece, stay[j] / half)
      until <- if (starts == "natural") 1 else prod(1 - wish[seq_len(j - 1)]) * stay[j]
      aim <- if (interval > 4) 0 else if (starts == "observed") wish[interval] else if (interval == 4) 1 else h[k]
      if (interval <= 4) parts[[length(parts) + 1]] <- c(i, 1, piece, until * (1 - aim / 2) / half)
      if (waiting$last[k] && !ends) {
        parts[[length(parts) + 1]] <- if (waiting$began[k]) c(i, 1, rest, until * aim / h[k]) else c(i, 0, rest, stay[j] / half)
      }
    }
  }
  rows <- as.data.frame(do.call(rbind, parts))
  names(rows) <- c("id", "arm", "late", "stop", "died", "cause", "w")
  rows[rows$stop > rows$late & rows$w > 0, ]
}

# Sequential trials: at each start within 1 year, the starters and all who are followed then and have not started.
trials <- do.call(rbind, lapply(sort(unique(data$start[starter])), function(s) {
  treated <- which(starter & data$start == s)
  control <- which(data$years >= s & (is.na(data$start) | data$start > s))
  id <- c(treated, control); arm <- rep(1:0, c(length(treated), length(control)))
  leaves <- arm == 0 & !is.na(data$start[id])
  data.frame(id, arm, begin = s, stop = ifelse(leaves, data$start[id], data$years[id]) - s,
             died = ifelse(leaves, 0, data$event[id]), cause = ifelse(leaves, 0, data$cause[id]), data[id, covariates])
}))

sequential_weights <- function(case) {
  e <- logistic(trials$arm, trials[c(covariates, "begin")], case[trials$id])
  case[trials$id] * ifelse(trials$arm == 1, 1 - e, e)
}

answer <- function(case, kind) {
  if (kind == "sequential") return(estimates(trials, sequential_weights(case)))
  if (kind %in% c("none", "overlap", "iptw", "stabilised")) return(estimates(whole, case * weights_of(kind, case)))
  if (kind == "staying") return(estimates(cut, (case * weights_of("overlap", case))[cut$id] * staying(case)))
  rows <- clone_rows(case, kind)
  estimates(rows, case[rows$id] * rows$w)
}

jackknife <- function(kind, h = 0.01) {
  ones <- rep(1, n)
  value <- answer(ones, kind)
  slopes <- sapply(seq_len(n), function(i) {
    moved <- lapply(c(-2, -1, 1, 2), function(k) { case <- ones; case[i] <- 1 + k * h; answer(case, kind) })
    (moved[[1]] - 8 * moved[[2]] + 8 * moved[[3]] - moved[[4]]) / (12 * h)
  })
  list(estimate = as.list(value), std_err = as.list(sqrt(rowSums(slopes^2))))
}

robust <- function(kind) {
  w <- weights_of(kind, rep(1, n))
  fit <- coxph(Surv(stop, died) ~ arm, whole, weights = w, robust = TRUE, control = coxph.control(eps = 1e-14, toler.chol = 1e-15, iter.max = 50))
  sqrt(c(vcov(fit)))
}

# The doubly robust values, patient by patient and step by step.
doubly <- function() {
  covariates <- c("age", "nodes", "grade")  # in an arm few tumours are large
  e <- logistic(data$hormon, data[covariates], rep(1, n))
  tight <- coxph.control(eps = 1e-14, toler.chol = 1e-15, iter.max = 50)
  values <- matrix(NA, n, 2)
  for (arm in 0:1) {
    own <- data[data$hormon == arm, ]
    died <- coxph(Surv(years, event) ~ age + nodes + grade, own, control = tight)
    lost <- coxph(Surv(years, 1 - event) ~ age + nodes + grade, own, control = tight)
    base <- basehaz(died, centered = FALSE); base_lost <- basehaz(lost, centered = FALSE)
    hazard <- stepfun(base$time, c(0, base$hazard)); hazard_lost <- stepfun(base_lost$time, c(0, base_lost$hazard), right = TRUE)
    step <- base$time[diff(c(0, base$hazard)) > 0]; step <- step[step < tau]
    jump <- diff(c(0, hazard(step)))
    for (i in seq_len(n)) {
      x <- unlist(data[i, covariates])
      r <- exp(sum(x * coef(died))); q <- exp(sum(x * coef(lost)))
      S <- function(t) exp(-r * hazard(t)); G <- function(t) exp(-q * hazard_lost(t))
      ahead <- function(t) { edges <- c(t, step[step > t], tau); sum(diff(edges) * S(edges[-length(edges)])) }
      value <- ahead(0)
      if (data$hormon[i] == arm) {
        chance <- if (arm == 1) e[i] else 1 - e[i]
        own_step <- which(step <= data$years[i])
        pull <- function(t) ahead(t) / (S(t) * G(t))
        spent <- sum(sapply(own_step, function(k) pull(step[k]) * r * jump[k]))
        happened <- data$event[i] == 1 && data$years[i] < tau
        value <- value - ((if (happened) pull(data$years[i]) else 0) - spent) / chance
      }
      values[i, arm + 1] <- value
    }
  }
  difference <- values[, 2] - values[, 1]
  list(means = colMeans(values), difference = mean(difference), std_err = sqrt(sum((difference - mean(difference))^2)) / n)
}

kinds <- c("none", "overlap", "iptw", "stabilised", "staying", "natural", "observed", "sequential")
answers <- c(
  sapply(kinds, function(kind) jackknife(kind), simplify = FALSE),
  list(robust = sapply(kinds[1:4], robust, simplify = FALSE), doubly = doubly())
)
cat(toJSON(answers, digits = NA, auto_unbox = TRUE, na = "null", pretty = FALSE), "\n")
