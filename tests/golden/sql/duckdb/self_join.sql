WITH n0 AS (
  SELECT
    "city" AS "n0.city",
    "temp" AS "n0.temp",
    "at" * 1000000 AS "n0.__time",
    TRUE AS "n0.__match"
  FROM READ_PARQUET(
    [
      '<cities_1>'
    ],
    schema = MAP {'city': {'name': 'city', 'type': 'VARCHAR', 'default_value': NULL}, 'temp': {'name': 'temp', 'type': 'FLOAT', 'default_value': NULL}, 'at': {'name': 'at', 'type': 'BIGINT', 'default_value': NULL}}
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
  WHERE
    "at" >= CAST('1735750800' AS BIGINT) AND "at" <= CAST('1735772400' AS BIGINT)
), j1 AS (
  SELECT
    l.*,
    CASE
      WHEN "r"."n1.__time" >= GREATEST("n0.__time", -9223372015254775808) - 21600000000
      THEN "r"."n1.city"
    END AS "n1.city",
    CASE
      WHEN "r"."n1.__time" >= GREATEST("n0.__time", -9223372015254775808) - 21600000000
      THEN "r"."n1.temp"
    END AS "n1.temp",
    CASE
      WHEN "r"."n1.__time" >= GREATEST("n0.__time", -9223372015254775808) - 21600000000
      THEN "r"."n1.__time"
    END AS "n1.__time",
    COALESCE(
      "r"."n1.__time" >= GREATEST("n0.__time", -9223372015254775808) - 21600000000,
      FALSE
    ) AS "n1.__match"
  FROM j0 AS l
  ASOF LEFT JOIN n1 AS r
    ON "l"."n0.city" = "r"."n1.city" AND "l"."n0.__time" >= "r"."n1.__time"
)
SELECT
  "n0.temp" AS "temp",
  "n1.temp" AS "again_temp"
FROM j1
