-- model: recommended_coverage
-- owner: recommendation
-- grain: day, shelf
-- cadence: daily
-- description: How much of the catalog each shelf showed to anyone on each day
-- columns:
--   day DATE: the UTC day on which the answers were given
--   shelf STRING: discover, on-repeat, next, popular
--   answers INT64: answers of the API
--   listeners INT64: listeners who were answered
--   slots INT64: tracks shown, each as often as it was
--   tracks INT64: tracks shown at least once that the catalog has
--   catalog_tracks INT64: tracks of the catalog as it is now
--   coverage FLOAT64: tracks / catalog_tracks
WITH catalog_size AS (
  SELECT COUNT(*) AS catalog_tracks FROM core.catalog
),
shown AS (
  SELECT
    impressions.day,
    impressions.shelf,
    COUNT(DISTINCT impressions.impression_id) AS answers,
    COUNT(DISTINCT impressions.listener_id) AS listeners,
    COUNT(*) AS slots,
    COUNT(DISTINCT catalog.track_id) AS tracks
  FROM raw.impressions AS impressions
  LEFT JOIN core.catalog AS catalog ON catalog.track_id = impressions.track_id
  GROUP BY impressions.day, impressions.shelf
)
SELECT
  day,
  shelf,
  answers,
  listeners,
  slots,
  tracks,
  catalog_tracks,
  IF(catalog_tracks = 0, 0.0, tracks / catalog_tracks) AS coverage
FROM shown
CROSS JOIN catalog_size
ORDER BY day, shelf
