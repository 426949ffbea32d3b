-- model: retention_cohorts
-- owner: growth
-- grain: cohort_week, weeks_since
-- cadence: weekly
-- description: Of the listeners who first played in a week, how many played again in each week after it
-- columns:
--   cohort_week DATE: the Monday of the week of the listeners' first counted play
--   weeks_since INT64: whole weeks after it; 0 is the week itself
--   listeners INT64: listeners of the cohort with a counted play in that week
--   cohort_size INT64: all listeners of the cohort
--   retained FLOAT64: listeners / cohort_size
WITH listening AS (
  SELECT DISTINCT
    listener_id,
    DATE_SUB(day, INTERVAL MOD(DATE_DIFF(day, DATE '1969-12-29', DAY), 7) DAY) AS week -- that day was a Monday
  FROM core.plays
  WHERE counts
),
weeks AS (
  SELECT
    MIN(week) OVER (PARTITION BY listener_id) AS cohort_week,
    DIV(DATE_DIFF(week, MIN(week) OVER (PARTITION BY listener_id), DAY), 7) AS weeks_since
  FROM listening
),
retained AS (
  SELECT cohort_week, weeks_since, COUNT(*) AS listeners
  FROM weeks
  GROUP BY cohort_week, weeks_since
)
SELECT
  cohort_week,
  weeks_since,
  listeners,
  MAX(listeners) OVER (PARTITION BY cohort_week) AS cohort_size, -- all of them played in week 0
  listeners / MAX(listeners) OVER (PARTITION BY cohort_week) AS retained
FROM retained
ORDER BY cohort_week, weeks_since
