WITH n0 AS (
  SELECT
    "id" AS "n0.id",
    "amount" AS "n0.amount",
    EPOCH_US("t") AS "n0.__time",
    TRUE AS "n0.__match"
  FROM READ_PARQUET(
    [
      '<orders_1>'
    ],
    schema = MAP {'id': {'name': 'id', 'type': 'BIGINT', 'default_value': NULL}, 'amount': {'name': 'amount', 'type': 'DOUBLE', 'default_value': NULL}, 't': {'name': 't', 'type': 'TIMESTAMP WITH TIME ZONE', 'default_value': NULL}}
  )
), j0 AS (
  SELECT
    *
  FROM n0
)
SELECT
  "n0.id" AS "id",
  "n0.amount" AS "amount"
FROM j0
