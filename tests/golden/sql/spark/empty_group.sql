WITH n0 AS (
  SELECT
    `id` AS `n0.id`,
    `user` AS `n0.user`,
    UNIX_MICROS(`t`) AS `n0.__time`,
    TRUE AS `n0.__match`
  FROM delta.`<orders_1>` VERSION AS OF 1
), j0 AS (
  SELECT
    *
  FROM n0
), n1 AS (
  SELECT
    `user` AS `n1.user`,
    `x` AS `n1.x`,
    TRUE AS `n1.__match`
  FROM delta.`<empty_1>` VERSION AS OF 0
), j1 AS (
  SELECT
    l.*,
    `r`.`n1.user` AS `n1.user`,
    `r`.`n1.x` AS `n1.x`,
    COALESCE(`r`.`n1.__match`, FALSE) AS `n1.__match`
  FROM j0 AS l
  LEFT JOIN n1 AS r
    ON `l`.`n0.user` = `r`.`n1.user`
)
SELECT
  `n0.id` AS `id`,
  `n1.x` AS `x`
FROM j1
