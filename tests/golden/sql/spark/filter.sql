WITH n0 AS (
  SELECT
    `id` AS `n0.id`,
    `user` AS `n0.user`,
    `item` AS `n0.item`,
    `t` AS `n0.t`,
    `amount` AS `n0.amount`,
    UNIX_MICROS(`t`) AS `n0.__time`,
    TRUE AS `n0.__match`
  FROM delta.`<orders_1>` VERSION AS OF 1
  WHERE
    (
      (
        (
          (
            (
              (
                `amount` > CAST('1.5' AS DOUBLE) AND NOT ISNAN(`amount`)
              )
              OR NOT (
                `user` IN ('it\'s', 'bob')
              )
            )
            AND `user` LIKE 'a%' ESCAPE '\\'
          )
          AND `item` <= CAST('2' AS BIGINT)
        )
        AND `t` >= CAST('2025-01-01 00:00:00+00:00' AS TIMESTAMP)
      )
      AND NOT (
        `item` IS NULL
      )
    )
), j0 AS (
  SELECT
    *
  FROM n0
)
SELECT
  `n0.id` AS `id`,
  `n0.user` AS `user`,
  `n0.item` AS `item`,
  `n0.t` AS `t`,
  `n0.amount` AS `amount`
FROM j0
