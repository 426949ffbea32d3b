-- model: plays_per_day
-- owner: core data
-- grain: day
-- cadence: daily
-- description: How much was played on each day, and by how many
-- columns:
--   day DATE: the UTC day on which the plays began
--   plays INT64: plays, counted or not
--   counted INT64: plays that count: half a minute, or half of a short track
--   skips INT64: plays skipped before they counted
--   listeners INT64: listeners with a counted play
--   tracks INT64: tracks with a counted play
SELECT
  day,
  COUNT(*) AS plays,
  COUNTIF(counts) AS counted,
  COUNTIF(skipped) AS skips,
  COUNT(DISTINCT IF(counts, listener_id, NULL)) AS listeners,
  COUNT(DISTINCT IF(counts, track_id, NULL)) AS tracks
FROM core.plays
GROUP BY day
ORDER BY day
