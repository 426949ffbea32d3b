-- model: listening_hours
-- owner: core data
-- grain: day
-- cadence: daily
-- description: Hours listened on each day, of the counted plays whose length is known
-- columns:
--   day DATE: the UTC day on which the plays began
--   plays INT64: counted plays whose length is known
--   listeners INT64: their listeners
--   hours FLOAT64: hours listened
--   hours_per_listener FLOAT64: hours / listeners
SELECT
  day,
  COUNT(*) AS plays,
  COUNT(DISTINCT listener_id) AS listeners,
  SUM(played_ms) / 3600000 AS hours,
  SUM(played_ms) / 3600000 / COUNT(DISTINCT listener_id) AS hours_per_listener
FROM core.plays
WHERE counts AND played_ms IS NOT NULL
GROUP BY day
ORDER BY day
