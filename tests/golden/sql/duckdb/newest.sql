WITH n0 AS (
  SELECT
    "user" AS "n0.user",
    "city" AS "n0.city",
    "is_new" AS "n0.is_new",
    TRUE AS "n0.__match"
  FROM READ_PARQUET(
    [
      '<users_1>'
    ],
    schema = MAP {'user': {'name': 'user', 'type': 'VARCHAR', 'default_value': NULL}, 'city': {'name': 'city', 'type': 'VARCHAR', 'default_value': NULL}, 'is_new': {'name': 'is_new', 'type': 'BOOLEAN', 'default_value': NULL}}
  )
), j0 AS (
  SELECT
    *
  FROM n0
), n1 AS (
  SELECT
    "city" AS "n1.city",
    "temp" AS "n1.temp",
    "at" * 1000000 AS "n1.__time",
    TRUE AS "n1.__match"
  FROM READ_PARQUET(
    [
      '<cities_1>'
    ],
    schema = MAP {'city': {'name': 'city', 'type': 'VARCHAR', 'default_value': NULL}, 'temp': {'name': 'temp', 'type': 'FLOAT', 'default_value': NULL}, 'at': {'name': 'at', 'type': 'BIGINT', 'default_value': NULL}}
  )
  QUALIFY
    ROW_NUMBER() OVER (PARTITION BY "n1.city" ORDER BY "n1.__time" DESC) = 1
), j1 AS (
  SELECT
    l.*,
    "r"."n1.city" AS "n1.city",
    "r"."n1.temp" AS "n1.temp",
    "r"."n1.__time" AS "n1.__time",
    COALESCE("r"."n1.__match", FALSE) AS "n1.__match"
  FROM j0 AS l
  LEFT JOIN n1 AS r
    ON "l"."n0.city" = "r"."n1.city"
)
SELECT
  "n0.user" AS "user",
  "n0.city" AS "city",
  "n0.is_new" AS "is_new",
  "n1.temp" AS "temp"
FROM j1
