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
)
SELECT
  "n0.id" AS "id",
  "n0.user" AS "user",
  "n0.item" AS "item",
  "n0.t" AS "t",
  "n0.amount" AS "amount",
  "n1.city" AS "city",
  "n1.is_new" AS "is_new"
FROM j1
