"""What goes back to a client whose request can't be answered."""


class RequestError(Exception):
    """A request that the client can mend.

    Parameters
    ----------
    status : int
        The HTTP status; which one for what is AWS's container's choice.
    message : str
        One line: what was found, what was expected.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
