"""The records of Dapr's scheduler in etcd: the part of go-etcd-cron's messages `Job` and `Counter` that the page shows.

No Python package has them. Fields that are not named here are skipped, such as a job's data.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2

_FIELD = descriptor_pb2.FieldDescriptorProto
_TEXT, _COUNT, _ID = _FIELD.TYPE_STRING, _FIELD.TYPE_UINT32, _FIELD.TYPE_UINT64
_TIME, _SPEC = ".google.protobuf.Timestamp", ".scheduler.Spec"
# Number and type of each field. A type that is a text is a message.
_MESSAGES: dict[str, dict[str, tuple[int, Any]]] = {
    "Spec": {"schedule": (1, _TEXT), "repeats": (4, _COUNT)},
    "Job": {
        "partition_id": (1, _ID),
        "start": (2, _TIME),
        "due_time": (3, _TIME),
        "expiration": (4, _TIME),
        "job": (5, _SPEC),
    },
    "Counter": {
        "job_partition_id": (1, _ID),
        "count": (2, _COUNT),
        "last_trigger": (3, _TIME),
        "attempts": (4, _COUNT),
    },
}


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="scheduler.proto", package="scheduler", syntax="proto2")
    file.dependency.append(timestamp_pb2.DESCRIPTOR.name)
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            added = message.field.add(name=field, number=number, label=_FIELD.LABEL_OPTIONAL)
            if isinstance(kind, str):
                added.type, added.type_name = _FIELD.TYPE_MESSAGE, kind
            else:
                added.type = kind
    return file


_pool = descriptor_pool.DescriptorPool()
_pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
_pool.AddSerializedFile(_file().SerializeToString())


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"scheduler.{name}"))


Job, Counter = _message("Job"), _message("Counter")
