from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path, reverse_lazy

from desk import views

app_name = "desk"

urlpatterns = [
    path("", views.home, name="home"),
    path("cases/<str:number>", views.case, name="case"),
    path(
        "login",
        LoginView.as_view(template_name="registration/login.html", redirect_authenticated_user=True),
        name="login",
    ),
    path("logout", LogoutView.as_view(next_page=reverse_lazy("desk:login")), name="logout"),
    path("password", views.PasswordView.as_view(), name="password"),
]
