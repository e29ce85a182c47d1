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
  FROM (
    SELECT
      CAST(NULL AS INT) AS "item",
      CAST(NULL AS TEXT) AS "shop",
      CAST(NULL AS BIGINT) AS "shelf",
      CAST(NULL AS TIMESTAMPTZ) AS "t",
      CAST(NULL AS INT) AS "n",
      CAST(NULL AS DOUBLE) AS "x",
      CAST(NULL AS REAL) AS "y",
      CAST(NULL AS BLOB) AS "code",
      CAST(NULL AS DECIMAL(10, 2)) AS "price",
      CAST(NULL AS DATE) AS "day",
      CAST(NULL AS BOOLEAN) AS "is_open"
    WHERE
      FALSE
  ) AS empty
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
