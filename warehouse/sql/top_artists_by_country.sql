-- model: top_artists_by_country
-- owner: charts
-- grain: country, rank
-- cadence: daily
-- description: The twenty most played artists of each country, over all days; plays without a country or artist are left out
-- columns:
--   country STRING: ISO 3166-1 alpha-2
--   rank INT64: from 1; ties by listeners, then by name
--   artist STRING: as the track's best source tells the name
--   plays INT64: counted plays
--   listeners INT64: listeners with a counted play
WITH heard AS (
  SELECT plays.country, catalog.artist, COUNT(*) AS plays, COUNT(DISTINCT plays.listener_id) AS listeners
  FROM core.plays AS plays
  JOIN core.catalog AS catalog ON catalog.track_id = plays.track_id
  WHERE plays.counts AND plays.country IS NOT NULL AND catalog.artist IS NOT NULL
  GROUP BY plays.country, catalog.artist
),
ranked AS (
  SELECT
    country,
    ROW_NUMBER() OVER (PARTITION BY country ORDER BY plays DESC, listeners DESC, artist) AS rank,
    artist,
    plays,
    listeners
  FROM heard
)
SELECT country, rank, artist, plays, listeners
FROM ranked
WHERE rank <= 20
ORDER BY country, rank
