"""What the platform around the feature store has in the original and not here: calls, and habits that differ."""

from __future__ import annotations

from hopyard.compat.absent import Absent

_SERVING = Absent(
    "Nothing is deployed from a folder: load the model with model.download() in a service of your own, and read its "
    "features with feature_view.get_feature_vector()."
)
_JOBS = Absent(
    "Nothing runs in the background: run the program itself, by cron or any scheduler, as "
    "`python -m hopyard.compat run FILE`."
)
_MEMBERS = Absent(
    "A folder has no members: who can read and write it is up to the file system's permissions."
)

ABSENT: dict[str, Absent] = {
    "AlertsApi": Absent(
        "There are no alerts: let the program that inserts fail on what it should not accept, and look at "
        "`hopyard verify`."
    ),
    "DatasetApi.add": Absent("Files have no tags; feature groups, views, training datasets and models do."),
    "DatasetApi.delete_tag": Absent(
        "Files have no tags; feature groups, views, training datasets and models do."
    ),
    "DatasetApi.get_tags": Absent(
        "Files have no tags; feature groups, views, training datasets and models do."
    ),
    "Deployment": _SERVING,
    "EnvironmentApi": Absent(
        "Programs run in the Python environment that starts them: install packages there with pip."
    ),
    "GitApi": Absent("The program runs where it is: use git itself."),
    "InferenceBatcher": _SERVING,
    "InferenceLogger": _SERVING,
    "JobApi": _JOBS,
    "KafkaApi": Absent(
        "There is no Kafka: insert() writes offline and online rows itself, and returns when they are readable."
    ),
    "hopsworks_plugin": Absent(
        "The operators for Airflow are not here: a BashOperator runs `python -m hopyard.compat run FILE`."
    ),
    "Model.deploy": _SERVING,
    "ModelServing": _SERVING,
    "OpenSearchApi": Absent("There is no OpenSearch, and no search for similar vectors."),
    "Predictor": _SERVING,
    "Project.add_member": _MEMBERS,
    "Project.get_members": _MEMBERS,
    "Project.get_members_api": _MEMBERS,
    "Project.remove_member": _MEMBERS,
    "Resources": _SERVING,
    "SearchApi": Absent("Search in the feature store: fs.search(), fs.search_feature_groups() and the like."),
    "Transformer": _SERVING,
}
"""By class, where nothing of it is here, or by class and method."""

PLATFORM_DIFFERENCES: dict[str, str] = {
    "Login takes no host and no key": (
        "`hopsworks.login()` opens the store at `HOPYARD_URL`, else in `./.hopyard`, and makes it if it is not there. "
        "`host`, `port`, `api_key_value`, `api_key_file`, `engine` and the certificates are accepted and not used; "
        "nothing is asked for."
    ),
    "Names of projects": (
        "The project is the argument, else `HOPSWORKS_PROJECT`, else `default`. A name with capitals or dashes is kept "
        "as the nearest valid one, with a warning."
    ),
    "Files of the project": (
        "`get_dataset_api()` works in `projects/<project>/files` of the store; `/Projects/<project>/Resources/x` and "
        "`Resources/x` are the same file. A path that leads out of it is refused."
    ),
    "Secrets belong to the store": (
        "Secrets are encrypted in `secrets/` of the store, with a key in a file that only its owner can read, or the "
        "one in `HOPYARD_SECRETS_KEY`. They are not shared with projects or other users, and no value is asked for at "
        "the terminal: `get_secret` of a missing one returns None."
    ),
    "Models are copied": (
        "`model.save(path)` copies the file or folder to `Models/<name>/<version>/Files` of the project, and leaves "
        "the original where it is. `await_registration` has nothing to wait for."
    ),
    "Model versions": (
        "`create_model` without a version takes the next one at `save`; `get_model` without a version returns version "
        "1, with a warning, as the original does."
    ),
    "A missing model": (
        "`get_model` of a model or version that is not there raises NotFoundError, which `except RestAPIError` "
        "catches, too; `get_models` returns an empty list, and `get_best_model` None."
    ),
    "Exceptions": (
        "`hopsworks.client.exceptions.RestAPIError`, `FeatureStoreException` and the others of that module are all "
        "Hopyard's own base error, so that a program's `except` catches what it means to. They have no `response`."
    ),
    "download gives a copy": (
        "`model.download()` returns a new folder in the system's temporary folder, or `local_path`; the registry's own "
        "files stay as they were saved."
    ),
    "Handles of what is not here": (
        "`get_model_serving()`, `get_job_api()`, `get_kafka_api()`, `get_opensearch_api()`, `get_git_api()`, "
        "`get_environment_api()`, `get_alerts_api()` and `get_search_api()` return a handle, because programs fetch it "
        "at the top; its calls raise CompatError."
    ),
    "Installing packages in a notebook": (
        "Lines such as `!pip install hopsworks` are skipped by `run`, and say so: nothing is installed while it runs. "
        "Other `!` and `%` lines run as usual."
    ),
}
"""Short title: what is different, and how it shows."""
