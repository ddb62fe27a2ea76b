/** Names of fields that hold secrets, in the languages that forms are written in. */

/** Whole words of a name, with the borders that names have: case, hyphens, underscores, digits. */
const WORDS = new Set(
  (
    "pass pw pwd pin tan otp totp mfa cvv cvc csc cvn iban ssn secret token seed mnemonic nip " +
    "kennwort passwort passphrase password passcode senha geheim geheimnis wachtwoord losenord lösenord haslo hasło " +
    "heslo salasana jelszo jelszó parola adgangskode contrasena contraseña contrasenya passord пароль 密码 密碼 パスワード " +
    "암호 비밀번호 kreditkarte kreditkartennummer kartennummer prüfziffer pruefziffer steuernummer " +
    "sozialversicherungsnummer passwd passwordagain clave"
  ).split(" "),
);

/** Parts of a name with its borders taken out. */
const PARTS =
  /passw(?:or)?d|passphrase|passcode|kennwort|passwort|motdepasse|onetime|einmal(?:code|pass|kenn)|verificationcode|authcode|authenticatorcode|securitycode|sicherheitscode|best[aä]tigungscode|twofactor|2fa|smscode|cardnum|cardno\b|ccnum|ccno\b|creditcard|cardcvc|cardcvv|cccsc|cardexp|ccexp|kreditkarte|kartennummer|apikey|privatekey|accesskey|secretkey|clientsecret|recoverycode|backupcode|geheimzahl|digitcode|stellige[nrs]?(?:code|pin|zahl)|code(?:that)?we(?:sent|emailed|texted)|code(?:fromyour|aus(?:der|ihrer|deiner))(?:app|auth|sms|phone)|(?:log|sign)incode|access(?:code|pin)|zugangscode|freischaltcode|aktivierungscode|activationcode|socialsecurity|steueridentifikation|contrase[nñ]a/u;

/** The values of `autocomplete` that mean a secret. */
const AUTOCOMPLETE = /(?:^|\s)(?:current-password|new-password|one-time-code|cc-[a-z-]+|webauthn)(?:\s|$)/i;

/** Classes by which components for codes and passwords are styled; whole words, for many a class has "pin" in it. */
const CLASSES =
  /(?:^|[\s_-])(?:otp|totp|cvv|cvc|pin-?(?:code|input|field)|one-?time-?code|pass-?word|passwort|kennwort|passcode)(?:$|[\s_-])/i;

const ASCII = /^[ -~]*$/;

/** As `wordsOf`, without the tables of Unicode, which most pages never need. */
function wordsOfAscii(name: string): string[] {
  return name
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z\d]+/);
}

function wordsOf(name: string): string[] {
  return name
    .normalize("NFC")
    .replace(/(\p{Ll})(\p{Lu})/gu, "$1 $2")
    .toLowerCase()
    .split(/[^\p{L}\p{M}\d]+/u);
}

/** Says whether a field's name, id, label or placeholder names a secret. */
export function namesSecret(name: string): boolean {
  if (name === "") return false;
  const cut = name.slice(0, 200);
  const words = (ASCII.test(cut) ? wordsOfAscii(cut) : wordsOf(cut)).filter((word) => word !== "");
  return words.some((word) => WORDS.has(word.replace(/\d+$/, ""))) || PARTS.test(words.join(""));
}

/** Says whether a field's classes are those of one for a secret. */
export function classesSecret(classes: string): boolean {
  return CLASSES.test(classes.slice(0, 500));
}

/** Says whether a field's `autocomplete` asks the browser for a secret. */
export function completesSecret(autocomplete: string): boolean {
  return AUTOCOMPLETE.test(autocomplete);
}
