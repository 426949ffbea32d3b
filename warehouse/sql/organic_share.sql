-- model: organic_share
-- owner: recommendation
-- grain: day
-- cadence: daily
-- description: How much of each day's listening was recommended, and how much listeners found by themselves
-- columns:
--   day DATE: the UTC day on which the plays began
--   plays INT64: counted plays
--   recommended INT64: of these, plays that name an answer to their listener that showed their track
--   organic INT64: the others
--   organic_share FLOAT64: organic / plays
WITH shown AS (
  SELECT DISTINCT listener_id, impression_id, track_id
  FROM features.outcomes
)
SELECT
  plays.day,
  COUNT(*) AS plays,
  COUNTIF(shown.track_id IS NOT NULL) AS recommended,
  COUNTIF(shown.track_id IS NULL) AS organic,
  COUNTIF(shown.track_id IS NULL) / COUNT(*) AS organic_share
FROM core.plays AS plays
LEFT JOIN shown
  ON shown.listener_id = plays.listener_id
  AND shown.impression_id = plays.impression_id
  AND shown.track_id = plays.track_id
WHERE plays.counts
GROUP BY plays.day
ORDER BY day
