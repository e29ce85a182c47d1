WITH n0 AS (
  SELECT
    `user` AS `n0.user`,
    `at` AS `n0.at`,
    `note` AS `n0.note`,
    UNIX_MICROS(`at`) AS `n0.__time`,
    TRUE AS `n0.__match`,
    `__row` AS `n0.__row`
  FROM spine
), j0 AS (
  SELECT
    *
  FROM n0
), n1 AS (
  SELECT
    `user` AS `n1.user`,
    `city` AS `n1.city`,
    TRUE AS `n1.__match`
  FROM delta.`<users_1>` VERSION AS OF 1
), j1 AS (
  SELECT
    l.*,
    `r`.`n1.user` AS `n1.user`,
    `r`.`n1.city` AS `n1.city`,
    COALESCE(`r`.`n1.__match`, FALSE) AS `n1.__match`
  FROM j0 AS l
  LEFT JOIN n1 AS r
    ON `l`.`n0.user` = `r`.`n1.user`
), n2 AS (
  SELECT
    `city` AS `n2.city`,
    `temp` AS `n2.temp`,
    `at` * 1000000 AS `n2.__time`,
    TRUE AS `n2.__match`
  FROM delta.`<cities_1>` VERSION AS OF 1
  WHERE
    `at` >= CAST('1735754400' AS BIGINT) AND `at` <= CAST('1735776000' AS BIGINT)
), j2 AS (
  SELECT
    `n0.user`,
    `n0.at`,
    `n0.note`,
    `n0.__time`,
    `n0.__match`,
    `n0.__row`,
    `n1.user`,
    `n1.city`,
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
      THEN `r`.`n2.__time`
    END AS `n2.__time`,
    COALESCE(
      `r`.`n2.__time` >= GREATEST(`n0.__time`, -9223372015254775808) - 21600000000,
      FALSE
    ) AS `n2.__match`
  FROM (
    SELECT
      `n0.user`,
      `n0.at`,
      `n0.note`,
      `n0.__time`,
      `n0.__match`,
      `n0.__row`,
      `n1.user`,
      `n1.city`,
      `n1.__match`,
      `__is_left`,
      LAST_VALUE(r) IGNORE NULLS OVER (
        PARTITION BY `__k0`
        ORDER BY `__at`, `__is_left`
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS r
    FROM (
      SELECT
        `n0.user`,
        `n0.at`,
        `n0.note`,
        `n0.__time`,
        `n0.__match`,
        `n0.__row`,
        `n1.user`,
        `n1.city`,
        `n1.__match`,
        NULL AS r,
        `n1.city` AS `__k0`,
        `n0.__time` AS `__at`,
        TRUE AS `__is_left`
      FROM j1
      UNION ALL
      SELECT
        NULL AS `n0.user`,
        NULL AS `n0.at`,
        NULL AS `n0.note`,
        NULL AS `n0.__time`,
        NULL AS `n0.__match`,
        NULL AS `n0.__row`,
        NULL AS `n1.user`,
        NULL AS `n1.city`,
        NULL AS `n1.__match`,
        STRUCT(
          `n2.city` AS `n2.city`,
          `n2.temp` AS `n2.temp`,
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
  `n0.user` AS `user`,
  `n0.at` AS `at`,
  `n0.note` AS `note`,
  `n1.city` AS `city`,
  `n2.temp` AS `temp`
FROM j2
ORDER BY
  `n0.__row` NULLS LAST
