-- model: skip_rate_by_source
-- owner: core data
-- grain: source
-- cadence: daily
-- description: How often plays are skipped before they count, by who told of them
-- columns:
--   source STRING: who told of the plays, see warehouse.sources
--   plays INT64: plays that counted or were skipped
--   skips INT64: plays skipped before they counted
--   skip_rate FLOAT64: skips / plays
SELECT
  source,
  COUNT(*) AS plays,
  COUNTIF(skipped) AS skips,
  COUNTIF(skipped) / COUNT(*) AS skip_rate
FROM core.plays
WHERE counts OR skipped
GROUP BY source
ORDER BY source
