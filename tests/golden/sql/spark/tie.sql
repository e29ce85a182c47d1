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
), j0 AS (
  SELECT
    *
  FROM n0
), n1 AS (
  SELECT
    `n1.item`,
    `n1.shop`,
    `n1.price`,
    `n1.__time`,
    `n1.__match`
  FROM (
    SELECT
      `item` AS `n1.item`,
      `shop` AS `n1.shop`,
      `price` AS `n1.price`,
      CAST(DATEDIFF(DAY, CAST('1970-01-01' AS DATE), `day`) AS BIGINT) * 86400000000 AS `n1.__time`,
      TRUE AS `n1.__match`,
      ROW_NUMBER() OVER (
        PARTITION BY `item`, CAST(DATEDIFF(DAY, CAST('1970-01-01' AS DATE), `day`) AS BIGINT) * 86400000000
        ORDER BY `shop` DESC
      ) AS _w
    FROM delta.`<prices_1>` VERSION AS OF 1
    WHERE
      `day` >= CAST('2025-01-01' AS DATE) AND `day` <= CAST('2025-01-02' AS DATE)
  ) AS _t
  WHERE
    _w = 1
), j1 AS (
  SELECT
    `n0.id`,
    `n0.user`,
    `n0.item`,
    `n0.t`,
    `n0.amount`,
    `n0.__time`,
    `n0.__match`,
    CASE
      WHEN `r`.`n1.__time` >= GREATEST(`n0.__time`, -9223371950454775808) - 86400000000
      THEN `r`.`n1.item`
    END AS `n1.item`,
    CASE
      WHEN `r`.`n1.__time` >= GREATEST(`n0.__time`, -9223371950454775808) - 86400000000
      THEN `r`.`n1.shop`
    END AS `n1.shop`,
    CASE
      WHEN `r`.`n1.__time` >= GREATEST(`n0.__time`, -9223371950454775808) - 86400000000
      THEN `r`.`n1.price`
    END AS `n1.price`,
    CASE
      WHEN `r`.`n1.__time` >= GREATEST(`n0.__time`, -9223371950454775808) - 86400000000
      THEN `r`.`n1.__time`
    END AS `n1.__time`,
    COALESCE(
      `r`.`n1.__time` >= GREATEST(`n0.__time`, -9223371950454775808) - 86400000000,
      FALSE
    ) AS `n1.__match`
  FROM (
    SELECT
      `n0.id`,
      `n0.user`,
      `n0.item`,
      `n0.t`,
      `n0.amount`,
      `n0.__time`,
      `n0.__match`,
      `__is_left`,
      LAST_VALUE(r) IGNORE NULLS OVER (
        PARTITION BY `__k0`
        ORDER BY `__at`, `__is_left`
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS r
    FROM (
      SELECT
        `n0.id`,
        `n0.user`,
        `n0.item`,
        `n0.t`,
        `n0.amount`,
        `n0.__time`,
        `n0.__match`,
        NULL AS r,
        `n0.item` AS `__k0`,
        `n0.__time` AS `__at`,
        TRUE AS `__is_left`
      FROM j0
      UNION ALL
      SELECT
        NULL AS `n0.id`,
        NULL AS `n0.user`,
        NULL AS `n0.item`,
        NULL AS `n0.t`,
        NULL AS `n0.amount`,
        NULL AS `n0.__time`,
        NULL AS `n0.__match`,
        STRUCT(
          `n1.item` AS `n1.item`,
          `n1.shop` AS `n1.shop`,
          `n1.price` AS `n1.price`,
          `n1.__time` AS `n1.__time`,
          `n1.__match` AS `n1.__match`
        ) AS r,
        `n1.item` AS `__k0`,
        `n1.__time` AS `__at`,
        FALSE AS `__is_left`
      FROM n1
      WHERE
        NOT `n1.item` IS NULL
    ) AS sequence
  ) AS found
  WHERE
    `__is_left`
)
SELECT
  `n0.id` AS `id`,
  `n0.user` AS `user`,
  `n0.item` AS `item`,
  `n0.t` AS `t`,
  `n0.amount` AS `amount`,
  `n1.price` AS `price`
FROM j1
