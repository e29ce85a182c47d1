WITH n0 AS (
  SELECT
    `city` AS `n0.city`,
    `temp` AS `n0.temp`,
    `at` * 1000000 AS `n0.__time`,
    TRUE AS `n0.__match`
  FROM delta.`<cities_1>` VERSION AS OF 1
), j0 AS (
  SELECT
    *
  FROM n0
), n1 AS (
  SELECT
    `city` AS `n1.city`,
    `temp` AS `n1.temp`,
    `at` * 1000000 AS `n1.__time`,
    TRUE AS `n1.__match`
  FROM delta.`<cities_1>` VERSION AS OF 1
  WHERE
    `at` >= CAST('1735750800' AS BIGINT) AND `at` <= CAST('1735772400' AS BIGINT)
), j1 AS (
  SELECT
    `n0.city`,
    `n0.temp`,
    `n0.__time`,
    `n0.__match`,
    CASE
      WHEN `r`.`n1.__time` >= GREATEST(`n0.__time`, -9223372015254775808) - 21600000000
      THEN `r`.`n1.city`
    END AS `n1.city`,
    CASE
      WHEN `r`.`n1.__time` >= GREATEST(`n0.__time`, -9223372015254775808) - 21600000000
      THEN `r`.`n1.temp`
    END AS `n1.temp`,
    CASE
      WHEN `r`.`n1.__time` >= GREATEST(`n0.__time`, -9223372015254775808) - 21600000000
      THEN `r`.`n1.__time`
    END AS `n1.__time`,
    COALESCE(
      `r`.`n1.__time` >= GREATEST(`n0.__time`, -9223372015254775808) - 21600000000,
      FALSE
    ) AS `n1.__match`
  FROM (
    SELECT
      `n0.city`,
      `n0.temp`,
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
        `n0.city`,
        `n0.temp`,
        `n0.__time`,
        `n0.__match`,
        NULL AS r,
        `n0.city` AS `__k0`,
        `n0.__time` AS `__at`,
        TRUE AS `__is_left`
      FROM j0
      UNION ALL
      SELECT
        NULL AS `n0.city`,
        NULL AS `n0.temp`,
        NULL AS `n0.__time`,
        NULL AS `n0.__match`,
        STRUCT(
          `n1.city` AS `n1.city`,
          `n1.temp` AS `n1.temp`,
          `n1.__time` AS `n1.__time`,
          `n1.__match` AS `n1.__match`
        ) AS r,
        `n1.city` AS `__k0`,
        `n1.__time` AS `__at`,
        FALSE AS `__is_left`
      FROM n1
      WHERE
        NOT `n1.city` IS NULL
    ) AS sequence
  ) AS found
  WHERE
    `__is_left`
)
SELECT
  `n0.temp` AS `temp`,
  `n1.temp` AS `again_temp`
FROM j1
