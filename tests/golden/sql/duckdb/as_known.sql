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
    "price" AS "n1.price",
    CAST(DATE_DIFF('DAY', CAST('1970-01-01' AS DATE), "day") AS BIGINT) * 86400000000 AS "n1.__time",
    TRUE AS "n1.__match",
    "__address" AS "n1.__address",
    "__from" AS "n1.__from",
    "__to" AS "n1.__to"
  FROM (
    SELECT
      "item",
      "shop",
      "price",
      "day",
      "__from",
      "__address",
      CAST(NULL AS BIGINT) AS "__to"
    FROM (
      SELECT
        "item",
        "shop",
        "price",
        "day",
        "__from",
        "__is_put",
        "__address"
      FROM (
        SELECT
          "item" AS "item",
          "shop" AS "shop",
          "price" AS "price",
          "day" AS "day",
          "_change_type" AS "_change_type",
          LIST_EXTRACT([1767225600000001], CAST(file_index AS BIGINT) + 1) AS "__from",
          COALESCE(
            "_change_type" IN ('insert', 'update_postimage'),
            LIST_EXTRACT([TRUE], CAST(file_index AS BIGINT) + 1)
          ) AS "__is_put",
          (
            CAST(file_index AS BIGINT) << 40
          ) | file_row_number AS "__address"
        FROM READ_PARQUET(
          [
            '<prices_1>'
          ],
          schema = MAP {'item': {'name': 'item', 'type': 'BIGINT', 'default_value': NULL}, 'shop': {'name': 'shop', 'type': 'VARCHAR', 'default_value': NULL}, 'price': {'name': 'price', 'type': 'DECIMAL(10, 2)', 'default_value': NULL}, 'day': {'name': 'day', 'type': 'DATE', 'default_value': NULL}, '_change_type': {'name': '_change_type', 'type': 'VARCHAR', 'default_value': NULL}}
        )
      ) AS files
      WHERE
        "_change_type" IS DISTINCT FROM 'update_preimage'
    ) AS changed
  ) AS versions
  WHERE
    "day" <= CAST('2025-01-02' AS DATE)
), b1 AS (
  SELECT
    "n1.item" AS "__k0",
    CASE
      WHEN "n1.__time" IS NULL OR "n1.__from" IS NULL
      THEN NULL
      ELSE GREATEST("n1.__time", "n1.__from")
    END AS "__since",
    ARG_MAX("n1.__address", ROW("n1.__time", "n1.shop")) OVER (
      PARTITION BY "n1.item"
      ORDER BY CASE
        WHEN "n1.__time" IS NULL OR "n1.__from" IS NULL
        THEN NULL
        ELSE GREATEST("n1.__time", "n1.__from")
      END
    ) AS "__best"
  FROM n1
), j1 AS (
  SELECT
    l.*,
    "r"."n1.item" AS "n1.item",
    "r"."n1.shop" AS "n1.shop",
    "r"."n1.price" AS "n1.price",
    "r"."n1.__time" AS "n1.__time",
    "r"."n1.__address" AS "n1.__address",
    "r"."n1.__from" AS "n1.__from",
    "r"."n1.__to" AS "n1.__to",
    COALESCE("r"."n1.__match", FALSE) AS "n1.__match"
  FROM j0 AS l
  ASOF LEFT JOIN b1 AS b
    ON "l"."n0.item" = "b"."__k0" AND "l"."n0.__time" >= "b"."__since"
  LEFT JOIN n1 AS r
    ON "r"."n1.__address" = "b"."__best"
)
SELECT
  "n0.id" AS "id",
  "n1.price" AS "price"
FROM j1
