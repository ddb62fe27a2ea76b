/** Names of fields that hold secrets, in the languages that forms are written in. */

const ASCII = /^[ -~]*$/;
/** Letters that have no other form without their mark. */
const UNMARKED: Readonly<Record<string, string>> = { ł: "l", ø: "o", đ: "d", ð: "d", ı: "i", ß: "ss" };

/** Gives a text in small letters, without the marks on those of Latin, Greek and Cyrillic: many leave them out. */
function fold(text: string): string {
  return text
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[\u0300-\u036f]/g, "")
    .replace(/[łøđðıß]/g, (letter) => UNMARKED[letter] ?? letter)
    .normalize("NFKC");
}

function partsOf(...parts: readonly string[]): RegExp {
  return new RegExp(fold(parts.join("|")), "u");
}

/** Whole words of a name, with the borders that names have: case, hyphens, underscores, digits. */
const WORDS = new Set(
  fold(
    "pass pw pwd psw pswd pword pwrd passwd pasword passwrd pin tan otp totp mfa vcode cvv cvc csc cvn iban ssn jwt " +
      "secret token seed mnemonic " +
      "geheim geheimnis mdp clave nip senha senhas parola parolei parolaniz parool pesel " +
      "hasło hasła heslo hesla geslo gesla пин пін",
  ).split(" "),
);

/** Parts of a name with its borders taken out: passwords and phrases, codes, cards, numbers that stand for a person. */
const PARTS = partsOf(
  "passw(?:or)?d|passphrase|passcode|kennwort|passwort|motdepasse|contrasen|palavrapasse|palavrachave|parolachiave",
  "wachtwoord|lösenord|kodeord|adgangskode|passord|salasana|jelszó|jelszav|lozink|şifre|slaptažod|lykilorð",
  "pasahitz|mậtkhẩu|katasandi|katalaluan|seedphrase|memorableword|maidenname",
  "security(?:answer|question)|recovery(?:code|phrase|key)|backup(?:code|key)|apikey|privatekey|accesskey|secretkey",
  "encryptionkey|sshkey|(?:app|api|shared|client|consumer|webhook)secret|connectionstring|geheimzahl|geheimnummer|wiederherstellungs(?:code|schlüssel)",

  "(?:access|auth|api|refresh|bearer|id|session|csrf|bot|user)token$",
  "(?:user|login|new|old|my|admin|db|root|smtp|repeat|confirm)(?:pass|pw)$|(?:card|user|new|old|atm|sim)pin$",

  "onetime|einmal(?:code|pass|kenn)|verif(?:y|ication)code|auth(?:entication|orization|enticator)?code|securitycode",
  "twofactor|2fa|smscode|otp(?:code|input|field)|(?:enter|email|sms|phone)otp$|(?:unlock|door|alarm|gate|vault)code",
  "(?:sicherheits|best(?:ä|ae)tigungs|zugangs|freischalt|aktivierungs|verifizierungs)code|(?:sms|push|photo)tan$",
  "activationcode|digitcode|stellige[nrs]?(?:code|pin|zahl)|code(?:that)?we(?:sent|emailed|texted)",
  "code(?:fromyour|aus(?:der|ihrer|deiner))(?:app|auth|sms|phone)|(?:log|sign)incode|access(?:code|pin)",
  "code(?:confidentiel|de?(?:vérification|sécurité|confirmation|validation|accès))|codeàusageunique",
  "código(?:de)?(?:verifica|segur|acce|acess|confirma|autentica)|codicedi(?:sicurezza|verifica|accesso|conferma)",
  "(?:verificatie|beveiligings|toegangs|bevestigings|eenmalige|inlog)code|kode(?:verifikasi|keamanan|akses)",
  "kod(?:weryfikac|autoryzac|dostępu|zabezpiecz|sms|pin|jednorazow|potwierdz)|(?:ověřovací|bezpečnostn[íý])kód",
  "(?:engangs|säkerhets|sikkerheds|sikkerhets|verifierings|verifikations|bekräftelse|bekreftelses)kod",
  "kertakäyttö|vahvistuskoodi|turvakoodi|tunnusluku|(?:ellenőrző|megerősítő|biztonsági)kód",
  "(?:doğrulama|güvenlik|onay|erişim)kod|cod(?:ul)?(?:de)?(?:verificare|securitate|acces)|mãxác|mãbảomật",
  "(?:sigurnosni|verifikacijski)kod|varnostnakoda",

  "cardnum|cardno$|ccnum|ccno$|creditcard|cardcvc|cardcvv|cardcode|(?:^|card|cc)exp(?:iry|iration)?(?:month|year|mm|yy)$|cccsc|cardexp|ccexp|card(?:verification|security)",
  "digitson(?:the|your)?(?:back|card|reverse)|^mm(?:yy|jj|aa)$|kreditkarte|kartennummer|pr(?:ü|ue)fziffer|cryptogramme",
  "numérodecarte|cartebancaire|cartedecrédit|númerode(?:la)?tarjeta|tarjetadecr|númerodocartão|cartãodecr",
  "numero(?:di|della)?carta|cartadicredito|kaartnummer|numerkarty|číslokarty|kortnummer|kreditt?kort",
  "kort(?:ti|in)numero|kártyaszám|kartnumara|număr(?:ul)?card|nomorkartu|brojkartice",

  "socialsecurity|steueridentifikation|steuernummer|sozialversicherungsnummer|numérodesécuritésociale|codicefiscale",
  "burgerservicenummer|personnummer|henkilötunnus",
);

/** As much in other scripts, some of which put no borders between words. */
const PARTS_BEYOND_LATIN = partsOf(
  "парол|код(?:подтвержд|доступа|безопасности|изсмс|изприложения|підтвердж|безпеки|доступу)|пінкод|пинкод|одноразов",
  "проверочныйкод|секретн|кодовоеслово|номер(?:карты|картки)|код(?:запотвърждение|засигурност)",
  "κωδικ(?:ός|ού)(?:πρόσβασης|επαλήθευσης|ασφαλείας|μιαςχρήσης)|^κωδικός$|συνθηματικ|αριθμόςκάρτας",
  "סיסמ|קוד(?:אימות|אישור|גישה|חדפעמי|סודי)|מספרכרטיס",
  "كلم[ةه](?:ال)?(?:مرور|سر)|رمز(?:ال)?(?:مرور|تحقق|تأكيد|دخول|أمان|سري)|رقم(?:ال)?سري|رقم(?:ال)?بطاقة",
  "گذرواژه|رمز(?:عبور|یکبارمصرف|پویا|دوم)|کلمهعبور|شمارهکارت|کدت[أا]یید",
  "पासवर्ड|कूटशब्द|ओटीपी|सत्यापनकोड|कार्डनंबर|পাসওয়ার্ড|รหัสผ่าน|รหัสยืนยัน|รหัสลับ|รหัสความปลอดภัย|หมายเลขบัตร",
  "密码|密碼|口令|验证码|驗證碼|动态码|校验码|安全码|安全碼|卡号|卡號|身份证号",
  "パスワード|パスコード|暗証|認証コード|認証番号|確認コード|セキュリティコード|ワンタイム|カード番号|合言葉",
  "비밀번호|암호|인증번호|인증코드|보안코드|카드번호|주민등록번호|일회용",
);

/** The values of `autocomplete` that mean a secret. */
const AUTOCOMPLETE = /(?:^|\s)(?:current-password|new-password|one-time-code|cc-[a-z-]+|webauthn)(?:\s|$)/i;

/** Classes by which components for codes and passwords are styled; whole words, for many a class has "pin" in it. */
const CLASSES =
  /(?:^|[\s_-])(?:otp|totp|cvv|cvc|pin-?(?:code|input|field)|one-?time-?code|pass-?word|passwort|kennwort|passcode)(?:$|[\s_-])/i;

/** The words of a name in capitals and small letters; only other names need the tables of Unicode. */
function wordsOf(name: string): string[] {
  if (ASCII.test(name))
    return name
      .replace(/([a-z])([A-Z])/g, "$1 $2")
      .toLowerCase()
      .split(/[^a-z\d]+/);
  return fold(name.normalize("NFC").replace(/(\p{Ll})(\p{Lu})/gu, "$1 $2")).split(/[^\p{L}\p{M}\d]+/u);
}

/** Says whether a field's name, id, label or placeholder names a secret. */
export function namesSecret(name: string): boolean {
  if (name === "") return false;
  const cut = name.slice(0, 200);
  const words = wordsOf(cut).filter((word) => word !== "");
  if (words.some((word) => WORDS.has(word.replace(/\d+$/, "")))) return true;
  const joined = words.join("");
  return PARTS.test(joined) || (!ASCII.test(joined) && PARTS_BEYOND_LATIN.test(joined));
}

/** Characters of an attribute in which such are looked for: a page may write millions. */
const MAX_LOOKED_AT = 500;

/** Says whether a field's classes are those of one for a secret. */
export function classesSecret(classes: string): boolean {
  return CLASSES.test(classes.slice(0, MAX_LOOKED_AT));
}

/** Says whether a field's `autocomplete` asks the browser for a secret. */
export function completesSecret(autocomplete: string): boolean {
  return AUTOCOMPLETE.test(autocomplete.slice(0, MAX_LOOKED_AT));
}
