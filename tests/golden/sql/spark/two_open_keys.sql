WITH n0 AS (
  SELECT
    `id` AS `n0.id`,
    `item` AS `n0.item`,
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
    `n1.shelf`,
    `n1.n`,
    `n1.__time`,
    `n1.__match`
  FROM (
    SELECT
      `item` AS `n1.item`,
      `shop` AS `n1.shop`,
      `shelf` AS `n1.shelf`,
      `n` AS `n1.n`,
      UNIX_MICROS(`t`) AS `n1.__time`,
      TRUE AS `n1.__match`,
      ROW_NUMBER() OVER (PARTITION BY `item`, UNIX_MICROS(`t`) ORDER BY `shop` DESC, `shelf` DESC) AS _w
    FROM delta.`<stock_1>` VERSION AS OF 1
    WHERE
      `t` <= CAST('2025-01-02 00:00:00.000999+00:00' AS TIMESTAMP)
  ) AS _t
  WHERE
    _w = 1
), j1 AS (
  SELECT
    `n0.id`,
    `n0.item`,
    `n0.__time`,
    `n0.__match`,
    `r`.`n1.item` AS `n1.item`,
    `r`.`n1.shop` AS `n1.shop`,
    `r`.`n1.shelf` AS `n1.shelf`,
    `r`.`n1.n` AS `n1.n`,
    `r`.`n1.__time` AS `n1.__time`,
    COALESCE(`r`.`n1.__match`, FALSE) AS `n1.__match`
  FROM (
    SELECT
      `n0.id`,
      `n0.item`,
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
        `n0.item`,
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
        NULL AS `n0.item`,
        NULL AS `n0.__time`,
        NULL AS `n0.__match`,
        STRUCT(
          `n1.item` AS `n1.item`,
          `n1.shop` AS `n1.shop`,
          `n1.shelf` AS `n1.shelf`,
          `n1.n` AS `n1.n`,
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
  `n1.n` AS `n`
FROM j1
