"""The answers that every service gives."""

from pydantic import BaseModel, Field


class Welcome(BaseModel):
    """One line that names the main routes."""

    message: str


class Health(BaseModel):
    """The state of the process, or of its dependencies."""

    status: str = Field(examples=["ok"])


class FieldError(BaseModel):
    """The fault in one field."""

    field: str = Field(examples=["name"])
    message: str = Field(examples=["String should have at most 100 characters"])


class Problem(BaseModel):
    """An error in the form of RFC 9457."""

    type: str = "about:blank"
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["name: String should have at most 100 characters"])
    errors: list[FieldError] | None = Field(default=None, description="One entry per invalid field")
    code: str | None = Field(default=None, description="The kind of a conflict", examples=["ALREADY_CANCELLED"])
    dependency: str | None = Field(default=None, description="The dependency that failed", examples=["statestore"])
    errorCode: str | None = Field(default=None, description="Dapr's code for it", examples=["ERR_DIRECT_INVOKE"])
