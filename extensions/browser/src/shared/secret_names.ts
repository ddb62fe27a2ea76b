/** Names of fields that hold secrets, in the languages that forms are written in. */

const ASCII = /^[ -~]*$/;
/** Letters that have no other form without their mark. */
const UNMARKED: Readonly<Record<string, string>> = { ł: "l", ø: "o", đ: "d", ð: "d", ı: "i", ß: "ss" };

/** Gives a text in small letters, without the marks on those of Latin, Greek and Cyrillic: many leave them out. */
function fold(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  return text
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[\u0300-\u036f]/g, "")
    .replace(/[łøđðıß]/g, (letter) => UNMARKED[letter] ?? letter)
    .normalize("NFKC");
}

/** Names that begin as some of these words do, and are of other things. */
const PLAIN = new RegExp(
  (
    "key(?:board|note|word)|\\b(?:token (?:count|limit|name|ring|type)|secret santa|random seed|" +
    "seed (?:bank|catalog(?:ue)?|funding|round)|tan (?:colou?r|lines)|pin (?:count|header|pitch)|" +
    "(?:boarding|bus|day|parking|season|ski|visitor) pass|pass (?:mark|rate|through))\\b"
  ).replaceAll(" ", "[ _-]?"),
  "gi",
);

/** Parts by their first characters: to walk along a name costs less than a pattern of so many. */
type Parts = ReadonlyMap<string, readonly string[]>;
const FIRST = 2;

/** Reads lists of parts, `{a,b}` for either, `^` for the beginning of a name and `$` for its end. */
function partsOf(...lists: readonly string[]): Parts {
  const parts = new Map<string, string[]>();
  const add = (part: string): void => {
    const open = part.indexOf("{");
    if (open >= 0) {
      const close = part.indexOf("}");
      const [before, after] = [part.slice(0, open), part.slice(close + 1)];
      for (const choice of part.slice(open + 1, close).split(",")) add(before + choice + after);
      return;
    }
    const start = part.slice(0, FIRST);
    const others = parts.get(start);
    if (others === undefined) parts.set(start, [part]);
    else others.push(part);
  };
  for (const list of lists) for (const part of fold(list).split(" ")) add(part);
  return parts;
}

/** Whole words of a name, with the borders that names have: case, hyphens, underscores, digits. */
const WORDS = new Set(
  fold(
    "pass pw pwd psw pswd pword pwrd passwd pasword passwrd pin tan otp totp mfa vcode cvv cvc csc cvn iban ssn jwt " +
      "secret token seed mnemonic " +
      "geheim geheimnis mdp clave nip senha senhas parola parolei parolaniz parool pesel " +
      "passnumber parol puk psk nif bsn cpf curp aadhaar itin nric cuit cuil ppsn снилс αμκα егн " +
      "hasło hasła heslo hesla geslo gesla пин пін",
  ).split(" "),
);

/** Parts of a name with its borders taken out: passwords, codes, cards, persons; at last in scripts other than Latin. */
const PARTS = partsOf(
  "passw{or,}d passphrase passcode kennwort passwort motdepasse contrasen palavrapasse palavrachave",
  "codeword safeword loginword losungswort credential sudomode keystorep communitystring novnckeyboard",
  "parolachiave wachtwoord lösenord kodeord adgangskode passord salasana jelszó jelszav lozink şifre slaptažod",
  "lykilorð pasahitz mậtkhẩu katasandi katalaluan seedphrase memorable{word,place,date,name,info,answer}",
  "maidenname mädchenname geburtsnamedermutter nomdejeunefilledevotre apellidodesoltera nubiledellamadre",
  "security{answer,question} sicherheits{frage,antwort} {question,réponse,mot,pregunta,respuesta}secr codesecret$ códigosecreto",
  "{domanda,risposta,codice}segr pergunta{desegur,secr} {preguntade,questionde,domandadi}{segur,sécur,sicur} first{pet,car,school}$",
  "childhood{friend,nick} favo{u,}riteteacher ersteshaustier premieranimal primeramascota",
  "{spend,tunnel,vpn,vpngroup}key recovery{code,phrase,key} backup{code,key} apikey privatekey accesskey secretkey encryptionkey sshkey",
  "{signing,master,deploy,setup,hmac,pairing,decryption,shared,networksecurity,wifi,wlan,wpa,wpa2,wpa3,serviceaccount}key",
  "{clé,clef}{wifi,wpa,wep,réseau,privée,api,secr} {chiave,chave}{wifi,wpa,direte,dasegur,priva,segr,secr,api} ^bearer$",
  "{wlan,netzwerk,netzwerksicherheits,api}schlüssel {privater,geheimer,privaten,geheimen}schlüssel schlüsselphrase",
  "{app,api,shared,client,consumer,webhook}secret connectionstring geheimzahl geheimnummer",
  "wiederherstellungs{code,schlüssel} onetime einmal{code,pass,kenn} verif{y,ication}code",
  "auth{entication,orization,enticator,}code securitycode twofactor 2fa smscode otp{code,input,field}",
  "{unlock,door,alarm,gate,vault,safe,porting,pac,locker,pairing}code {safe,lock,locker,vault}combination combinationof{the,your}{safe,lock,vault}",
  "authenticator {two,2}step{verif,auth,login} zweifaktor {on,in,by}{your,the}{cardreader,securitydevice} best{ä,ae}tigungscode",
  "{sicherheits,zugangs,freischalt,aktivierungs,verifizierungs}code activationcode digitcode",
  "{code,digits,number}{fromthe,inthe}{app,email,sms,text,message} stellige{n,r,s,}{code,pin,zahl} code{that,}we{sent,emailed,texted}",
  "code{fromyour,inyour,ausder,ausihrer,ausdeiner}{app,auth,sms,phone,email,mail,nachricht} {log,sign}incode access{code,pin}",
  "codeconfidentiel code{de,d}{vérification,sécurité,confirmation,validation,accès,activation} code{reçu,par,}sms codeàusageunique",
  "código{de,}{verifica,segur,acce,acess,confirma,autentica,activa,ativa,recib,receb,enviad,sms} firmaelectr assinaturaeletr",
  "codice{di,}{sicurezza,verifica,accesso,conferma,attiva,ricevuto,sms}",
  "{verificatie,beveiligings,toegangs,bevestigings,eenmalige,inlog,activatie}code codeuit{de,uw,het,je}{email,sms,app,bericht,mail} kode{verifikasi,keamanan,akses}",
  "kod{zwiadomości,zsms,zaplikac,aktywac,weryfikac,autoryzac,dostępu,zabezpiecz,sms,pin,jednorazow,potwierdz}",
  "{ověřovací,bezpečnostní,bezpečnostný}kód",
  "{engangs,säkerhets,sikkerheds,sikkerhets,verifierings,verifikations,bekräftelse,bekreftelses,aktiverings}kod kertakäyttö",
  "vahvistuskoodi turvakoodi tunnusluku {ellenőrző,megerősítő,biztonsági}kód",
  "{doğrulama,güvenlik,onay,erişim,aktivasyon}kod cod{ul,}{de,}{verificare,securitate,acces} mãxác mãbảomật",
  "{sigurnosni,verifikacijski}kod varnostnakoda cardnum ccnum creditcard cardcvc cardcvv cardcode cccsc cardexp",
  "ccexp card{verification,security} digitson{the,your,}{back,card,reverse} {last,final}{three,3}digits {16,sixteen}digit{s,number,card} signaturestrip swipe{the,your,}card",
  "longnumber{on,across} acrossthefront validthru kreditkarte kartennummer kartenpr{ü,ue}f",
  "pr{ü,ue}fziffer cryptogramme numérodecarte cartebancaire cartedecrédit númerode{la,}tarjeta tarjetadecr",
  "númerodocartão cartãodecr numero{di,della,}carta cartadicredito kaartnummer numerkarty číslokarty kortnummer",
  "kredit{t,}kort kort{ti,in}numero kártyaszám kartnumara număr{ul,}card nomorkartu brojkartice socialsecurity",
  "steueridentifikation steuernummer sozialversicherungsnummer numérodesécuritésociale codicefiscale",
  "burgerservicenummer personnummer henkilötunnus steuerid ahvnummer rijksregisternummer fødselsnummer cprn{ummer,r}",
  "kennitala isikukood asmenskodas personaskods jmbg rodnéčíslo kimlikno codnumericpersonal nationalinsurancen",
  "socialinsurancen taxfilen taxpayer ppsnumber emiratesid zugangsnummer ^nationalid ^dni$ ^nie$ ^dninie númerode{dni,nie,seguridadsocial,segurançasocial}",
  "{access,auth,api,refresh,bearer,id,session,csrf,bot,user}token$",
  "{user,login,new,old,my,admin,db,root,smtp,repeat,confirm}{pass,pw}$ {card,user,new,old,atm,sim}pin$",
  "{enter,email,sms,phone}otp$ {sms,push,photo}tan$ cardno$ ccno$ {card,cc}exp{iry,iration,}{month,year,mm,yy}$",
  "^exp{iry,iration,}{month,year,mm,yy}$ ^mm{yy,jj,aa}$ ^κωδικός$",
  "парол код{подтвержд,активац,доступа,безопасности,изсмс,изприложения,підтвердж,безпеки,доступу} пінкод пинкод одноразов",
  "проверочныйкод секретн кодовоеслово номер{карты,картки} код{запотвърждение,засигурност}",
  "κωδικ{ός,ού}{επιβεβαίωσης,ενεργοποίησης,πρόσβασης,επαλήθευσης,ασφαλείας,μιαςχρήσης} συνθηματικ αριθμόςκάρτας",
  "סיסמ קוד{אימות,אישור,גישה,חדפעמי,סודי} מספר{כרטיס,זהות} תעודתזהות",
  "كلم{ة,ه}{ال,}{مرور,سر} رمز{ال,}{مرور,تحقق,تأكيد,دخول,أمان,سري} رقم{ال,}سري رقم{ال,}{بطاقة,هوية}",
  "گذرواژه رمز{عبور,یکبارمصرف,پویا,دوم} کلمهعبور شمارهکارت کدت{أ,ا}یید",
  "पासवर्ड कूटशब्द ओटीपी सत्यापनकोड कार्डनंबर आधार পাসওয়ার্ড รหัสผ่าน รหัสยืนยัน รหัสลับ รหัสความปลอดภัย หมายเลขบัตร เลขประจำตัวประชาชน",
  "密码 密碼 口令 验证码 驗證碼 动态码 校验码 安全码 安全碼 卡号 卡號 身份证 身分證 激活码",
  "パスワード パスコード 暗証 認証コード 認証番号 確認コード セキュリティコード ワンタイム カード番号 合言葉 秘密 マイナンバー 個人番号",
  "პაროლ գաղտնաբառ கடவுச்சொல் పాస్వర్డ్ പാസ്വേഡ് ಪಾಸ್ವರ್ಡ್ මුරපදය ພາດສະຫວັດ ລະຫັດຜ່ານ စကားဝှက် ពាក្យសម្ងាត់ የይለፍቃል پاسورڈ",
  "құпиясөз сырсөз нууцүг nenosiri cyfrinair pasfhocal wagwoord fjalëkalim şifrə",
  "비밀 암호 인증번호 인증코드 보안코드 카드번호 주민등록번호 일회용",
);

/** The values of `autocomplete` that mean a secret. */
const AUTOCOMPLETE = /(?:^|\s)(?:current-password|new-password|one-time-code|cc-[a-z-]+|webauthn)(?:\s|$)/i;

/** Classes by which components for codes and passwords are styled; whole words, for many a class has "pin" in it. */
const CLASSES =
  /(?:^|[\s_-])(?:otp|totp|xterm-helper-textarea|cvv|cvc|pin-?(?:code|input|field)|one-?time-?code|pass-?word|passwort|kennwort|passcode)(?:$|[\s_-])/i;

/** The words of a name in capitals and small letters; only other names need the tables of Unicode. */
function wordsOf(name: string): string[] {
  if (ASCII.test(name))
    return name
      .replace(/([a-z])([A-Z])/g, "$1 $2")
      .toLowerCase()
      .split(/[^a-z\d]+/);
  return fold(name.normalize("NFC").replace(/(\p{Ll})(\p{Lu})/gu, "$1 $2")).split(/[^\p{L}\p{M}\d]+/u);
}

function holdsPart(name: string, parts: Parts): boolean {
  const whole = `^${name}$`;
  for (let at = 0; at < whole.length; at += 1) {
    const starting = parts.get(whole.slice(at, at + FIRST));
    if (starting?.some((part) => whole.startsWith(part, at))) return true;
  }
  return false;
}

/** Of a name, in characters; what is longer is none. */
const MAX_NAME = 200;

/** Says whether a field's name, id, label or placeholder names a secret. */
export function namesSecret(name: string): boolean {
  if (name === "") return false;
  const cut = name.slice(0, MAX_NAME).replace(PLAIN, " ");
  const words = wordsOf(cut).filter((word) => word !== "");
  if (words.some((word) => WORDS.has(word.replace(/\d+$/, "")))) return true;
  return holdsPart(words.join(""), PARTS);
}

/** Labels that say nothing by themselves: of a "Code" or an "Answer" tells what stands above it, of a "Value" the key in its row ... */
const VAGUE = new Set(
  fold(
    "code codes kode kod kód código codice コード код number nummer numer número numero номер 番号 " +
      "value wert valeur valor valore 値 значение answer antwort antwoord réponse respuesta risposta resposta ответ " +
      "答え 回答 response key clé chiave chave text field input",
  ).split(" "),
);
/** ... of a "Word 1" the list that it is in. */
const COUNTED = new Set("word wort mot palabra parola digit character letter".split(" "));

/** Says whether a label tells of no field what it is for. */
export function saysNothing(label: string): boolean {
  const words = wordsOf(label.slice(0, MAX_NAME));
  const [first, second] = words.map((word) => word.replace(/\d+/g, "")).filter((word) => word !== "");
  if (first === undefined) return true;
  if (second !== undefined) return first === "editor" && second === "content";
  return VAGUE.has(first) || (COUNTED.has(first) && /\d/.test(label));
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
