WITH n0 AS (
  SELECT
    `id` AS `n0.id`,
    `amount` AS `n0.amount`,
    UNIX_MICROS(`t`) AS `n0.__time`,
    TRUE AS `n0.__match`
  FROM delta.`<orders_1>` VERSION AS OF 1
), j0 AS (
  SELECT
    *
  FROM n0
)
SELECT
  `n0.id` AS `id`,
  `n0.amount` AS `amount`
FROM j0
