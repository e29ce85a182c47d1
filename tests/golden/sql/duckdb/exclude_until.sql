WITH n0 AS (
  SELECT
    "id" AS "n0.id",
    EPOCH_US("t") AS "n0.__time",
    TRUE AS "n0.__match"
  FROM (
    SELECT
      "id" AS "id",
      "t" AS "t",
      (
        CAST(file_index AS BIGINT) << 40
      ) | file_row_number AS "__address"
    FROM READ_PARQUET(
      [
        '<orders_1>'
      ],
      schema = MAP {'id': {'name': 'id', 'type': 'BIGINT', 'default_value': NULL}, 't': {'name': 't', 'type': 'TIMESTAMP WITH TIME ZONE', 'default_value': NULL}}
    )
  ) AS files
), j0 AS (
  SELECT
    *
  FROM n0
)
SELECT
  "n0.id" AS "id"
FROM j0
