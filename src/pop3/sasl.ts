/** What a client offered to log in with. Octet strings (latin1). */
export type Credentials = {
  mechanism: 'USER' | 'PLAIN' | 'LOGIN';
  /** The authcid: teapop's login name, user and domain together. */
  user: string;
  password: string;
  /** '' where none was given. */
  authzid: string;
};
