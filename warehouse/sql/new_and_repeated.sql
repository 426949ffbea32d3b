-- model: new_and_repeated
-- owner: recommendation
-- grain: day
-- cadence: daily
-- description: How much of each day's listening was a track that its listener had not played before
-- columns:
--   day DATE: the UTC day on which the plays began
--   plays INT64: counted plays
--   first_plays INT64: of these, the first of that track by that listener
--   repeats INT64: the others
--   new_share FLOAT64: first_plays / plays
WITH numbered AS (
  SELECT day, ROW_NUMBER() OVER (PARTITION BY listener_id, track_id ORDER BY started_ms, play_id) AS time_heard
  FROM core.plays
  WHERE counts
)
SELECT
  day,
  COUNT(*) AS plays,
  COUNTIF(time_heard = 1) AS first_plays,
  COUNTIF(time_heard > 1) AS repeats,
  COUNTIF(time_heard = 1) / COUNT(*) AS new_share
FROM numbered
GROUP BY day
ORDER BY day
