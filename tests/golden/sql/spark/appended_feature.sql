WITH n0 AS (
  SELECT
    `k` AS `n0.k`,
    `x` AS `n0.x`,
    TRUE AS `n0.__match`
  FROM (
    SELECT
      `k` AS `k`,
      CAST(NULL AS DOUBLE) AS `x`
    FROM delta.`<old_1>` VERSION AS OF 1
  ) AS files
  WHERE
    `x` IS NULL
), j0 AS (
  SELECT
    *
  FROM n0
)
SELECT
  `n0.k` AS `k`
FROM j0
