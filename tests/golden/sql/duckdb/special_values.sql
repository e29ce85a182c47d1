WITH n0 AS (
  SELECT
    "item" AS "n0.item",
    "shop" AS "n0.shop",
    "shelf" AS "n0.shelf",
    "t" AS "n0.t",
    "n" AS "n0.n",
    "x" AS "n0.x",
    "y" AS "n0.y",
    "code" AS "n0.code",
    "price" AS "n0.price",
    "day" AS "n0.day",
    "is_open" AS "n0.is_open",
    EPOCH_US("t") AS "n0.__time",
    TRUE AS "n0.__match"
  FROM READ_PARQUET(
    [
      '<stock_1>'
    ],
    schema = MAP {'item': {'name': 'item', 'type': 'INTEGER', 'default_value': NULL}, 'shop': {'name': 'shop', 'type': 'VARCHAR', 'default_value': NULL}, 'shelf': {'name': 'shelf', 'type': 'BIGINT', 'default_value': NULL}, 't': {'name': 't', 'type': 'TIMESTAMP WITH TIME ZONE', 'default_value': NULL}, 'n': {'name': 'n', 'type': 'INTEGER', 'default_value': NULL}, 'x': {'name': 'x', 'type': 'DOUBLE', 'default_value': NULL}, 'y': {'name': 'y', 'type': 'FLOAT', 'default_value': NULL}, 'code': {'name': 'code', 'type': 'BLOB', 'default_value': NULL}, 'price': {'name': 'price', 'type': 'DECIMAL(10, 2)', 'default_value': NULL}, 'day': {'name': 'day', 'type': 'DATE', 'default_value': NULL}, 'is_open': {'name': 'is_open', 'type': 'BOOLEAN', 'default_value': NULL}}
  )
  WHERE
    (
      (
        (
          (
            (
              (
                (
                  (
                    "x" IN (CAST('inf' AS DOUBLE), CAST('0.0' AS DOUBLE))
                    AND CASE WHEN "x" IS NULL THEN NULL ELSE TRUE END
                  )
                  AND "y" <= CAST('0.5' AS DOUBLE)
                )
                AND "shop" LIKE 'a\%b_%' ESCAPE '\'
              )
              AND "code" > UNHEX('0027')
            )
            AND (
              "price" >= CAST('0.10' AS DECIMAL(38, 2))
              AND "price" <= CAST('99.99' AS DECIMAL(38, 2))
            )
          )
          AND "shop" <> 'a\''
`"'
        )
        AND "day" < CAST('1969-12-31' AS DATE)
      )
      AND NOT (
        CASE WHEN "is_open" IS NULL THEN NULL ELSE FALSE END
      )
    )
), j0 AS (
  SELECT
    *
  FROM n0
)
SELECT
  "n0.item" AS "item",
  "n0.shop" AS "shop",
  "n0.shelf" AS "shelf",
  "n0.t" AS "t",
  "n0.n" AS "n",
  "n0.x" AS "x",
  "n0.y" AS "y",
  "n0.code" AS "code",
  "n0.price" AS "price",
  "n0.day" AS "day",
  "n0.is_open" AS "is_open"
FROM j0
