//! Why a token is refused: the account of it is of the verdict that `verify` comes to.
