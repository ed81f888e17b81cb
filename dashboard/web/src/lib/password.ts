/** Characters that the daemon wants of a password at least. */
export const PASSWORD_MIN = 12;
