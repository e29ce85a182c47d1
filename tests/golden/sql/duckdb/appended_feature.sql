WITH n0 AS (
  SELECT
    "k" AS "n0.k",
    "x" AS "n0.x",
    TRUE AS "n0.__match"
  FROM READ_PARQUET(
    [
      '<old_1>'
    ],
    schema = MAP {'k': {'name': 'k', 'type': 'BIGINT', 'default_value': NULL}, 'x': {'name': 'x', 'type': 'DOUBLE', 'default_value': NULL}}
  )
  WHERE
    "x" IS NULL
), j0 AS (
  SELECT
    *
  FROM n0
)
SELECT
  "n0.k" AS "k"
FROM j0
