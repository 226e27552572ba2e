"""The `context` of a function in AWS Lambda's calling convention."""

from __future__ import annotations

import os
import time
from typing import Any


class LambdaContext:
    """What AWS documents of it. The function's own attributes come from its environment."""

    def __init__(self, request_id: str, arn: str, deadline_ms: float, client_context: "dict[str, Any] | None") -> None:
        self.aws_request_id = request_id
        self.invoked_function_arn = arn
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.client_context = None if client_context is None else ClientContext(client_context)
        self.identity = CognitoIdentity()
        self.tenant_id = None
        #: What the caller gave, as JSON values.
        self._client_context = client_context
        self._epoch_deadline_time_in_ms = int(deadline_ms)

    def get_remaining_time_in_millis(self) -> int:
        """Time until the function is timed out, in milliseconds."""
        return max(0, int(self._epoch_deadline_time_in_ms - time.time() * 1000))

    def log(self, message: Any) -> None:
        """Writes to the log as it is."""
        print(message, end="", flush=True)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if not name.startswith("_"))
        return f"LambdaContext([{shown}])"


class CognitoIdentity:
    """Nobody: there is no identity service."""

    cognito_identity_id = None
    cognito_identity_pool_id = None


class Client:
    """The mobile app that invokes the function."""

    def __init__(self, given: "dict[str, Any]") -> None:
        for name in ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"):
            setattr(self, name, given.get(name))


class ClientContext:
    """What the caller said about itself."""

    def __init__(self, given: "dict[str, Any]") -> None:
        self.custom = given.get("custom")
        self.env = given.get("env")
        client = given.get("client")
        self.client = Client(client) if isinstance(client, dict) else None
