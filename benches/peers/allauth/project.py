"""django-allauth on PostgreSQL, behind the two calls that are compared: reading a user and setting
whether an email address is verified.

    python project.py seed USERS FOLDER   makes the tables and users, and writes the requests for wrk
                                          into FOLDER
    gunicorn project:application          serves

DATABASE_HOST, DATABASE_PORT and DATABASE_NAME name the database, as the user `postgres`. Addresses are
changed through allauth's own model within one transaction, as its own views do it. Production
settings; connections to the database are kept, as Django's documentation advises for speed.
"""

import hmac
import os
import pathlib
import sys

import django
from django.conf import settings

KEY = "peer"

settings.configure(
    DEBUG=False,
    SECRET_KEY="a secret that guards nothing but this comparison, and is long enough",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": os.environ["DATABASE_HOST"],
            "PORT": os.environ["DATABASE_PORT"],
            "NAME": os.environ["DATABASE_NAME"],
            "USER": "postgres",
            "CONN_MAX_AGE": None,
        }
    },
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "allauth",
        "allauth.account",
    ],
    # What `django-admin startproject` and allauth's quickstart name.
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
        "allauth.account.middleware.AccountMiddleware",
    ],
    AUTHENTICATION_BACKENDS=[
        "django.contrib.auth.backends.ModelBackend",
        "allauth.account.auth_backends.AuthenticationBackend",
    ],
    ACCOUNT_LOGIN_METHODS={"email"},
    ACCOUNT_SIGNUP_FIELDS=["email*", "password1*", "password2*"],
    ACCOUNT_EMAIL_VERIFICATION="mandatory",
)
django.setup()

from allauth.account.models import EmailAddress  # noqa: E402  (needs the settings)
from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import transaction  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402

User = get_user_model()


def shown(user):
    emails = EmailAddress.objects.filter(user=user).order_by("pk")
    return JsonResponse(
        {
            "id": user.pk,
            "username": user.username,
            "first_name": user.first_name,
            "last_name": user.last_name,
            "is_active": user.is_active,
            "date_joined": user.date_joined,
            "last_login": user.last_login,
            "emails": list(emails.values("id", "email", "verified", "primary")),
        }
    )


def keyed(view):
    def checked(request, *arguments):
        if not hmac.compare_digest(request.headers.get("x-api-key", ""), KEY):
            return JsonResponse({"error": "no valid key"}, status=401)
        try:
            return view(request, *arguments)
        except (User.DoesNotExist, EmailAddress.DoesNotExist):
            return JsonResponse({"error": "not found"}, status=404)

    return csrf_exempt(checked)


@keyed
def read(_request, user_id):
    return shown(User.objects.get(pk=user_id))


@keyed
def mark(_request, user_id, email_id, action):
    with transaction.atomic():
        email = EmailAddress.objects.select_related("user").get(pk=email_id, user_id=user_id)
        if action == "verify":
            # As allauth's own confirmation does: refuses an address that is verified elsewhere.
            email.set_verified(commit=True)
        else:
            email.verified = False
            email.save(update_fields=["verified"])
        return shown(email.user)


urlpatterns = [
    path("users/<int:user_id>", lambda request, user_id: read(request, user_id)),
    path(
        "users/<int:user_id>/emails/<int:email_id>/<action>",
        lambda request, user_id, email_id, action: mark(request, user_id, email_id, action),
    ),
]
# The mark of csrf_exempt is looked for on what the path names.
for route in urlpatterns:
    route.callback.csrf_exempt = True
application = get_wsgi_application()


def seed(count, folder):
    call_command("migrate", verbosity=0)
    users = [
        User(username=f"user.{number}", first_name="Sample", last_name=f"User {number}", password="!")
        for number in range(count)
    ]
    users = User.objects.bulk_create(users, batch_size=1000)
    emails = [
        EmailAddress(user=user, email=f"{user.username}@one.example.com", verified=False, primary=True)
        for user in users
    ]
    emails = EmailAddress.objects.bulk_create(emails, batch_size=1000)
    folder = pathlib.Path(folder)
    reads = "".join(f"GET\t/users/{email.user_id}\n" for email in emails)
    marks = "".join(
        f"POST\t/users/{email.user_id}/emails/{email.pk}/verify\t/users/{email.user_id}/emails/{email.pk}/unverify\n"
        for email in emails
    )
    (folder / "reads").write_text(reads)
    (folder / "marks").write_text(marks)


if __name__ == "__main__" and sys.argv[1:2] == ["seed"]:
    seed(int(sys.argv[2]), sys.argv[3])
