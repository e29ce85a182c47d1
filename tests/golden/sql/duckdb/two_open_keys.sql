WITH n0 AS (
  SELECT
    "id" AS "n0.id",
    "item" AS "n0.item",
    EPOCH_US("t") AS "n0.__time",
    TRUE AS "n0.__match"
  FROM READ_PARQUET(
    [
      '<orders_1>'
    ],
    schema = MAP {'id': {'name': 'id', 'type': 'BIGINT', 'default_value': NULL}, 'item': {'name': 'item', 'type': 'INTEGER', 'default_value': NULL}, 't': {'name': 't', 'type': 'TIMESTAMP WITH TIME ZONE', 'default_value': NULL}}
  )
), j0 AS (
  SELECT
    *
  FROM n0
), n1 AS (
  SELECT
    "item" AS "n1.item",
    "shop" AS "n1.shop",
    "shelf" AS "n1.shelf",
    "n" AS "n1.n",
    EPOCH_US("t") AS "n1.__time",
    TRUE AS "n1.__match"
  FROM READ_PARQUET(
    [
      '<stock_1>'
    ],
    schema = MAP {'item': {'name': 'item', 'type': 'INTEGER', 'default_value': NULL}, 'shop': {'name': 'shop', 'type': 'VARCHAR', 'default_value': NULL}, 'shelf': {'name': 'shelf', 'type': 'BIGINT', 'default_value': NULL}, 'n': {'name': 'n', 'type': 'INTEGER', 'default_value': NULL}, 't': {'name': 't', 'type': 'TIMESTAMP WITH TIME ZONE', 'default_value': NULL}}
  )
  WHERE
    "t" <= CAST('2025-01-02 00:00:00.000999+00:00' AS TIMESTAMPTZ)
  QUALIFY
    ROW_NUMBER() OVER (PARTITION BY "n1.item", "n1.__time" ORDER BY "n1.shop" DESC, "n1.shelf" DESC) = 1
), j1 AS (
  SELECT
    l.*,
    "r"."n1.item" AS "n1.item",
    "r"."n1.shop" AS "n1.shop",
    "r"."n1.shelf" AS "n1.shelf",
    "r"."n1.n" AS "n1.n",
    "r"."n1.__time" AS "n1.__time",
    COALESCE("r"."n1.__match", FALSE) AS "n1.__match"
  FROM j0 AS l
  ASOF LEFT JOIN n1 AS r
    ON "l"."n0.item" = "r"."n1.item" AND "l"."n0.__time" >= "r"."n1.__time"
)
SELECT
  "n0.id" AS "id",
  "n1.n" AS "n"
FROM j1
