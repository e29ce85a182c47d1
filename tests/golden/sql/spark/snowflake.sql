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
    `city` AS `n1.city`,
    `is_new` AS `n1.is_new`,
    TRUE AS `n1.__match`
  FROM delta.`<users_1>` VERSION AS OF 1
), j1 AS (
  SELECT
    l.*,
    `r`.`n1.user` AS `n1.user`,
    `r`.`n1.city` AS `n1.city`,
    `r`.`n1.is_new` AS `n1.is_new`,
    COALESCE(`r`.`n1.__match`, FALSE) AS `n1.__match`
  FROM j0 AS l
  LEFT JOIN n1 AS r
    ON `l`.`n0.user` = `r`.`n1.user`
), n2 AS (
  SELECT
    `city` AS `n2.city`,
    `temp` AS `n2.temp`,
    `tags` AS `n2.tags`,
    `at` * 1000000 AS `n2.__time`,
    TRUE AS `n2.__match`
  FROM delta.`<cities_1>` VERSION AS OF 1
  WHERE
    `at` >= CAST('1735754400' AS BIGINT) AND `at` <= CAST('1735776000' AS BIGINT)
), j2 AS (
  SELECT
    `n0.id`,
    `n0.user`,
    `n0.__time`,
    `n0.__match`,
    `n1.user`,
    `n1.city`,
    `n1.is_new`,
    `n1.__match`,
    CASE
      WHEN `r`.`n2.__time` >= GREATEST(`n0.__time`, -9223372015254775808) - 21600000000
      THEN `r`.`n2.city`
    END AS `n2.city`,
    CASE
      WHEN `r`.`n2.__time` >= GREATEST(`n0.__time`, -9223372015254775808) - 21600000000
      THEN `r`.`n2.temp`
    END AS `n2.temp`,
    CASE
      WHEN `r`.`n2.__time` >= GREATEST(`n0.__time`, -9223372015254775808) - 21600000000
      THEN `r`.`n2.tags`
    END AS `n2.tags`,
    CASE
      WHEN `r`.`n2.__time` >= GREATEST(`n0.__time`, -9223372015254775808) - 21600000000
      THEN `r`.`n2.__time`
    END AS `n2.__time`,
    COALESCE(
      `r`.`n2.__time` >= GREATEST(`n0.__time`, -9223372015254775808) - 21600000000,
      FALSE
    ) AS `n2.__match`
  FROM (
    SELECT
      `n0.id`,
      `n0.user`,
      `n0.__time`,
      `n0.__match`,
      `n1.user`,
      `n1.city`,
      `n1.is_new`,
      `n1.__match`,
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
        `n0.__time`,
        `n0.__match`,
        `n1.user`,
        `n1.city`,
        `n1.is_new`,
        `n1.__match`,
        NULL AS r,
        `n1.city` AS `__k0`,
        `n0.__time` AS `__at`,
        TRUE AS `__is_left`
      FROM j1
      UNION ALL
      SELECT
        NULL AS `n0.id`,
        NULL AS `n0.user`,
        NULL AS `n0.__time`,
        NULL AS `n0.__match`,
        NULL AS `n1.user`,
        NULL AS `n1.city`,
        NULL AS `n1.is_new`,
        NULL AS `n1.__match`,
        STRUCT(
          `n2.city` AS `n2.city`,
          `n2.temp` AS `n2.temp`,
          `n2.tags` AS `n2.tags`,
          `n2.__time` AS `n2.__time`,
          `n2.__match` AS `n2.__match`
        ) AS r,
        `n2.city` AS `__k0`,
        `n2.__time` AS `__at`,
        FALSE AS `__is_left`
      FROM n2
      WHERE
        NOT `n2.city` IS NULL
    ) AS sequence
  ) AS found
  WHERE
    `__is_left`
)
SELECT
  `n0.id` AS `id`,
  CASE WHEN `n1.__match` AND `n2.__match` THEN `n1.is_new` END AS `u_is_new`,
  CASE WHEN `n1.__match` AND `n2.__match` THEN `n2.temp` END AS `u_c_temp`,
  CASE WHEN `n1.__match` AND `n2.__match` THEN `n2.tags` END AS `u_c_tags`
FROM j2
