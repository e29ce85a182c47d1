WITH n0 AS (
  SELECT
    "id" AS "n0.id",
    "user" AS "n0.user",
    "item" AS "n0.item",
    "t" AS "n0.t",
    "amount" AS "n0.amount",
    EPOCH_US("t") AS "n0.__time",
    TRUE AS "n0.__match"
  FROM READ_PARQUET(
    [
      '<orders_1>'
    ],
    schema = MAP {'id': {'name': 'id', 'type': 'BIGINT', 'default_value': NULL}, 'user': {'name': 'user', 'type': 'VARCHAR', 'default_value': NULL}, 'item': {'name': 'item', 'type': 'INTEGER', 'default_value': NULL}, 't': {'name': 't', 'type': 'TIMESTAMP WITH TIME ZONE', 'default_value': NULL}, 'amount': {'name': 'amount', 'type': 'DOUBLE', 'default_value': NULL}}
  )
), j0 AS (
  SELECT
    *
  FROM n0
), n1 AS (
  SELECT
    "item" AS "n1.item",
    "shop" AS "n1.shop",
    "price" AS "n1.price",
    CAST(DATE_DIFF('DAY', CAST('1970-01-01' AS DATE), "day") AS BIGINT) * 86400000000 AS "n1.__time",
    TRUE AS "n1.__match"
  FROM READ_PARQUET(
    [
      '<prices_1>'
    ],
    schema = MAP {'item': {'name': 'item', 'type': 'BIGINT', 'default_value': NULL}, 'shop': {'name': 'shop', 'type': 'VARCHAR', 'default_value': NULL}, 'price': {'name': 'price', 'type': 'DECIMAL(10, 2)', 'default_value': NULL}, 'day': {'name': 'day', 'type': 'DATE', 'default_value': NULL}}
  )
  WHERE
    "day" >= CAST('2025-01-01' AS DATE) AND "day" <= CAST('2025-01-02' AS DATE)
  QUALIFY
    ROW_NUMBER() OVER (PARTITION BY "n1.item", "n1.__time" ORDER BY "n1.shop" DESC) = 1
), j1 AS (
  SELECT
    l.*,
    CASE
      WHEN "r"."n1.__time" >= GREATEST("n0.__time", -9223371950454775808) - 86400000000
      THEN "r"."n1.item"
    END AS "n1.item",
    CASE
      WHEN "r"."n1.__time" >= GREATEST("n0.__time", -9223371950454775808) - 86400000000
      THEN "r"."n1.shop"
    END AS "n1.shop",
    CASE
      WHEN "r"."n1.__time" >= GREATEST("n0.__time", -9223371950454775808) - 86400000000
      THEN "r"."n1.price"
    END AS "n1.price",
    CASE
      WHEN "r"."n1.__time" >= GREATEST("n0.__time", -9223371950454775808) - 86400000000
      THEN "r"."n1.__time"
    END AS "n1.__time",
    COALESCE(
      "r"."n1.__time" >= GREATEST("n0.__time", -9223371950454775808) - 86400000000,
      FALSE
    ) AS "n1.__match"
  FROM j0 AS l
  ASOF LEFT JOIN n1 AS r
    ON "l"."n0.item" = "r"."n1.item" AND "l"."n0.__time" >= "r"."n1.__time"
)
SELECT
  "n0.id" AS "id",
  "n0.user" AS "user",
  "n0.item" AS "item",
  "n0.t" AS "t",
  "n0.amount" AS "amount",
  "n1.price" AS "price"
FROM j1
