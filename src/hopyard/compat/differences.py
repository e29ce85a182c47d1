"""Where the shim's feature store answers otherwise than the original: a title, and what is different."""

from __future__ import annotations

DIFFERENCES: dict[str, str] = {
    "Joins are left joins": (
        "join() without join_type= keeps every row of the left side, as the original does since 4.0. Before, it was an "
        "inner join: give join_type='inner' for the rows that have a match."
    ),
    "Join types": "Only left and inner joins are there; right, full, cross and semi joins raise CompatError.",
    "Point-in-time joins": (
        "Each left row gets exactly one row: the newest of the right side at or before its event time. The original "
        "doubles a left row whose right side has two rows of that time."
    ),
    "Joins without an event time on the left": (
        "If only the right side has an event time, its newest row per key is joined; the original joins every row."
    ),
    "Join keys": (
        "Given keys must be a part of the right side's primary key. Without keys, the part of it that the left side "
        "has among its own keys is joined on, as in the original."
    ),
    "Names that occur twice": (
        "Without a prefix, the right side's column is returned as <project>_<group>_<version>_<name>, with a message "
        "in the log. Keys that are joined on come once, from the left."
    ),
    "Event times of joined groups": (
        "select_all() on the right side of a join leaves out its join keys and its event time; name them in select()."
    ),
    "Writes have ended when they return": (
        "insert() and save() return a job that has finished: rows are readable offline and online. wait= and "
        "write_options= are accepted and have no effect."
    ),
    "storage=": (
        "Online rows follow from the offline table, so storage='offline' and storage='online' write both. Other values "
        "raise as in the original."
    ),
    "operation='insert'": (
        "Rows whose primary key and event time exist are replaced, as by an upsert. The original keeps both."
    ),
    "The partition key is no key": (
        "Rows are merged on primary key and event time; the original adds the partition key."
    ),
    "Online rows": (
        "The newest row per primary key is served, whatever the order of inserts; in the original, the last written."
    ),
    "Removing rows": (
        "remove_rows() and commit_delete_record() take the primary key alone (all rows of the keys) or with the event "
        "time, ignore other columns, and remove online rows, too."
    ),
    "Nulls in keys": "A null in a primary key or an event time is refused, offline groups included.",
    "Whole-number event times": (
        "What a bigint event time counts is told by the digits of the first rows: up to 10 seconds, up to 13 "
        "milliseconds, else microseconds."
    ),
    "Reading as of a time": (
        "read(wallclock_time=), as_of() and read_changes() work in plain Python. Before the first commit they raise. "
        "Commit times in commit_details() are rounded up to milliseconds, so that reading as of one includes it."
    ),
    "Statistics of groups": (
        "They are computed on the first look at a commit, and kept: get_statistics(time) gives those of the commit at "
        "that time. The count has the nulls in it, and all percentiles are there."
    ),
    "Expectation suites": (
        "They are kept with the group and run where Great Expectations is installed, as pip install "
        "'hopyard[great-expectations]' does; without it, a warning says so and rows are written."
    ),
    "Tags and keywords": (
        "They are kept without schemas: any name, any JSON value. fs.search() finds words from their beginning, the "
        "best first, then parts of names and descriptions."
    ),
    "What is missing": (
        "get_feature_group() and get_feature_view() return None for what is not there, as the original does now. In a "
        "`try` whose `except` creates it they raise RestAPIError, as the original did before."
    ),
    "get_or_create_*": (
        "What is stored is returned as it is, without looking at the other arguments; without a version, version 1."
    ),
    "Read frames": (
        "Timestamps are returned in UTC, with their zone. dataframe_type='spark' raises CompatError; 'python' returns "
        "a list of rows, each a list of values."
    ),
}
