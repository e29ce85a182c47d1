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
    "city" AS "n1.city",
    "is_new" AS "n1.is_new",
    TRUE AS "n1.__match"
  FROM READ_PARQUET(
    [
      '<users_1>'
    ],
    schema = MAP {'user': {'name': 'user', 'type': 'VARCHAR', 'default_value': NULL}, 'city': {'name': 'city', 'type': 'VARCHAR', 'default_value': NULL}, 'is_new': {'name': 'is_new', 'type': 'BOOLEAN', 'default_value': NULL}}
  )
), j1 AS (
  SELECT
    l.*,
    "r"."n1.user" AS "n1.user",
    "r"."n1.city" AS "n1.city",
    "r"."n1.is_new" AS "n1.is_new",
    COALESCE("r"."n1.__match", FALSE) AS "n1.__match"
  FROM j0 AS l
  LEFT JOIN n1 AS r
    ON "l"."n0.user" = "r"."n1.user"
), n2 AS (
  SELECT
    "city" AS "n2.city",
    "temp" AS "n2.temp",
    "tags" AS "n2.tags",
    "at" * 1000000 AS "n2.__time",
    TRUE AS "n2.__match"
  FROM READ_PARQUET(
    [
      '<cities_1>'
    ],
    schema = MAP {'city': {'name': 'city', 'type': 'VARCHAR', 'default_value': NULL}, 'temp': {'name': 'temp', 'type': 'FLOAT', 'default_value': NULL}, 'tags': {'name': 'tags', 'type': 'VARCHAR[]', 'default_value': NULL}, 'at': {'name': 'at', 'type': 'BIGINT', 'default_value': NULL}}
  )
  WHERE
    "at" >= CAST('1735754400' AS BIGINT) AND "at" <= CAST('1735776000' AS BIGINT)
), j2 AS (
  SELECT
    l.*,
    CASE
      WHEN "r"."n2.__time" >= GREATEST("n0.__time", -9223372015254775808) - 21600000000
      THEN "r"."n2.city"
    END AS "n2.city",
    CASE
      WHEN "r"."n2.__time" >= GREATEST("n0.__time", -9223372015254775808) - 21600000000
      THEN "r"."n2.temp"
    END AS "n2.temp",
    CASE
      WHEN "r"."n2.__time" >= GREATEST("n0.__time", -9223372015254775808) - 21600000000
      THEN "r"."n2.tags"
    END AS "n2.tags",
    CASE
      WHEN "r"."n2.__time" >= GREATEST("n0.__time", -9223372015254775808) - 21600000000
      THEN "r"."n2.__time"
    END AS "n2.__time",
    COALESCE(
      "r"."n2.__time" >= GREATEST("n0.__time", -9223372015254775808) - 21600000000,
      FALSE
    ) AS "n2.__match"
  FROM j1 AS l
  ASOF LEFT JOIN n2 AS r
    ON "l"."n1.city" = "r"."n2.city" AND "l"."n0.__time" >= "r"."n2.__time"
)
SELECT
  "n0.id" AS "id",
  CASE WHEN "n1.__match" AND "n2.__match" THEN "n1.is_new" END AS "u_is_new",
  CASE WHEN "n1.__match" AND "n2.__match" THEN "n2.temp" END AS "u_c_temp",
  CASE WHEN "n1.__match" AND "n2.__match" THEN "n2.tags" END AS "u_c_tags"
FROM j2
