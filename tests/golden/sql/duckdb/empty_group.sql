WITH n0 AS (
  SELECT
    "id" AS "n0.id",
    "user" AS "n0.user",
    EPOCH_US("t") AS "n0.__time",
    TRUE AS "n0.__match"
  FROM READ_PARQUET(
    [
      '<orders_1>'
    ],
    schema = MAP {'id': {'name': 'id', 'type': 'BIGINT', 'default_value': NULL}, 'user': {'name': 'user', 'type': 'VARCHAR', 'default_value': NULL}, 't': {'name': 't', 'type': 'TIMESTAMP WITH TIME ZONE', 'default_value': NULL}}
  )
), j0 AS (
  SELECT
    *
  FROM n0
), n1 AS (
  SELECT
    "user" AS "n1.user",
    "x" AS "n1.x",
    TRUE AS "n1.__match"
  FROM (
    SELECT
      CAST(NULL AS TEXT) AS "user",
      CAST(NULL AS DOUBLE) AS "x"
    WHERE
      FALSE
  ) AS empty
), j1 AS (
  SELECT
    l.*,
    "r"."n1.user" AS "n1.user",
    "r"."n1.x" AS "n1.x",
    COALESCE("r"."n1.__match", FALSE) AS "n1.__match"
  FROM j0 AS l
  LEFT JOIN n1 AS r
    ON "l"."n0.user" = "r"."n1.user"
)
SELECT
  "n0.id" AS "id",
  "n1.x" AS "x"
FROM j1
