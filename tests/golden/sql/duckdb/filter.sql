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
  WHERE
    (
      (
        (
          (
            (
              (
                "amount" > CAST('1.5' AS DOUBLE) AND NOT ISNAN("amount")
              )
              OR NOT (
                "user" IN ('it''s', 'bob')
              )
            )
            AND "user" LIKE 'a%' ESCAPE '\'
          )
          AND "item" <= CAST('2' AS BIGINT)
        )
        AND "t" >= CAST('2025-01-01 00:00:00+00:00' AS TIMESTAMPTZ)
      )
      AND NOT (
        "item" IS NULL
      )
    )
), j0 AS (
  SELECT
    *
  FROM n0
)
SELECT
  "n0.id" AS "id",
  "n0.user" AS "user",
  "n0.item" AS "item",
  "n0.t" AS "t",
  "n0.amount" AS "amount"
FROM j0
