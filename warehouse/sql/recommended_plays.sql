-- model: recommended_plays
-- owner: recommendation
-- grain: shelf, source, slot
-- cadence: daily
-- description: How often a recommended track was then played, by shelf, by the model that brought it and by its place
-- columns:
--   shelf STRING: discover, on-repeat, next, popular
--   source STRING: the model that brought the track
--   slot INT64: place in the answer, from 0
--   shown INT64: times a track was shown there
--   played INT64: of these, how many led to at least one counted play of that track
--   play_rate FLOAT64: played / shown
WITH followed AS (
  SELECT DISTINCT listener_id, impression_id, track_id
  FROM core.plays
  WHERE counts AND impression_id IS NOT NULL
)
SELECT
  shown.shelf,
  shown.source,
  shown.slot,
  COUNT(*) AS shown,
  COUNT(followed.track_id) AS played,
  COUNT(followed.track_id) / COUNT(*) AS play_rate
FROM raw.impressions AS shown
LEFT JOIN followed
  ON followed.listener_id = shown.listener_id
  AND followed.impression_id = shown.impression_id
  AND followed.track_id = shown.track_id
GROUP BY shown.shelf, shown.source, shown.slot
ORDER BY shelf, source, slot
